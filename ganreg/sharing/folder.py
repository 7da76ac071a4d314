"""An export is made in memory, compared with the generator, and only then written: whole, or not at all."""

from __future__ import annotations

import errno
import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganreg.assembly import exported
from ganreg.assembly.exported import About
from ganreg.assembly.load import Trained
from ganreg.engine import checkpoint, durable
from ganreg.errors import ExportError, RunExistsError, StorageError
from ganreg.pictures import picture
from ganreg.portable import onnx, program
from ganreg.portable.frozen import freeze, needs_labels
from ganreg.sharing import placing
from ganreg.sharing.card import Format, card
from ganreg.sharing.origin import about as known_of
from ganreg.sharing.origin import reduced
from ganreg.sharing.placing import CARD

ENDINGS: Mapping[Format, str] = {"safetensors": ".safetensors", "torch-export": ".pt2", "onnx": ".onnx"}
SHOWN = 64
SHOWN_LARGE = 16
LARGE = 128
"""Pixels of a side above which fewer samples are shown."""
SHOWN_POINTS = 1000
SEED = 0
FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a disk, or a share of it, that has no room says."""


@dataclass(frozen=True)
class Export:
    """What is to be written: files by name, the generator's first; `difference` to torch where it is a graph."""

    form: Format
    files: Mapping[str, bytes]
    about: About
    difference: float | None = None

    @property
    def main(self) -> str:
        """The file that holds the generator."""
        return f"generator{ENDINGS[self.form]}"


def export(
    trained: Trained, form: Format, *, batch_max: int = program.BATCH_MAX, license: str | None = None, repository: str = ""
) -> Export:
    """The files of an export, by name.

    Raises ExportError where the graph cannot be made or makes other samples, MissingExtraError, CheckpointError.
    """
    if form == "onnx":
        onnx.check_installed()
    about = known_of(trained)
    about = about.model_copy(update={"license": license or about.license})
    if form == "safetensors":
        _check_portable(about)
        conditional = needs_labels(trained.generator, trained.spec)
        about = about.model_copy(update={"conditional": conditional})
        content, difference = _weights(trained), None
    else:
        content, difference, about = _graph(trained, form, about, batch_max)
    files = {f"generator{ENDINGS[form]}": content, exported.CONFIG: about.text().encode()}
    shown, how = _samples(trained)
    if shown is not None:
        files["samples.png"] = shown
    told = card(about, form, picture=how, repository=repository)
    files[CARD] = told.encode(errors="backslashreplace")  # a name in no encoding is no text, and is shown
    return Export(form, files, about, difference)


def _graph(trained: Trained, form: Format, about: About, batch_max: int) -> tuple[bytes, float, About]:
    """The file, how far it is from the generator, and what it says of itself."""
    if getattr(trained.generator, "exportable", True) is False:
        raise ExportError(
            "the generator says that it is no graph (exportable = False)",
            at=about.generator.name,
            fix="export the weights alone: --format safetensors",
        )
    frozen = freeze(trained.generator, trained.spec)
    part = about.generator.model_copy(update={"settings": reduced(about.generator.settings)})
    changes = {"generator": part, "conditional": frozen.conditional, "fixed_noise": frozen.num_noises > 0}
    about = about.model_copy(update=changes)
    graph, facts = program.program(frozen, batch_max=batch_max), about.model_dump(mode="json")
    if form == "onnx":
        content = onnx.written(graph, frozen, facts)
        return content, onnx.check_onnx(content, frozen, batch_max=batch_max), about
    content = program.written(graph, facts)
    return content, program.check_program(content, frozen, batch_max=batch_max), about


def is_file(out: Path, form: Format) -> bool:
    """Whether --out names the file itself, not the folder around it."""
    return out.suffix.lower() == ENDINGS[form]


def check_target(out: Path, form: Format, *, force: bool) -> None:
    """Before anything is made.  Raises RunExistsError; what is no export is never replaced."""
    if is_file(out, form):
        if (out.exists() or out.is_symlink()) and not (force and out.is_file()):
            raise RunExistsError("the file is there already", at=str(out), fix="add --force, or give another --out")
        return
    placing.check(out, force=force)


def write(made: Export, out: Path, *, force: bool = False) -> None:
    """The folder, or the generator's file alone where `out` names one.  Raises RunExistsError, StorageError."""
    check_target(out, made.form, force=force)
    try:
        if is_file(out, made.form):
            out.parent.mkdir(parents=True, exist_ok=True)
            with durable.replacing(out) as file:
                file.write(made.files[made.main])
        else:
            put(made.files, out)
    except OSError as error:
        raise _unwritten(error, made, out) from error


def _unwritten(error: OSError, made: Export, out: Path) -> StorageError:
    what, fix = f"the export cannot be written: {error.strerror or error}", "give another --out"
    if error.errno in FULL:
        needed, free = sum(map(len, made.files.values())), checkpoint.room(out)
        what, fix = f"{what}; it takes {needed:,} bytes, {free or 0:,} are free", f"make room, or {fix}"
    return StorageError(what, at=str(out), fix=fix)


def put(files: Mapping[str, bytes], out: Path) -> None:
    """A folder of these files and their manifest, under its name once all of it has reached the disk.

    Raises OSError, and RunBusyError while another process writes it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    with placing.alone(out):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        for name, content in with_manifest(files).items():
            durable.write(part / name, content)
        durable.sync_directory(part)
        placing.take_place(part, out)


def with_manifest(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Beside them the manifest, of all but the card: that one is for people, who may edit it."""
    return {**files, exported.MANIFEST: exported.manifest_of({name: one for name, one in files.items() if name != CARD})}


def _weights(trained: Trained) -> bytes:
    return checkpoint.packed({"generator": trained.generator.state_dict()})["generator.safetensors"]


def _check_portable(about: About) -> None:
    """Whether others can build it from its settings."""
    settings: dict[str, Any] = about.generator.settings
    for key, value in settings.items():
        if reduced(value) != value:
            raise ExportError(
                f"the generator's setting {key} names a place of this machine, from which nobody else can build it: {value!r}",
                at=about.generator.name,
                fix="--format onnx, or torch-export, which need no settings",
            )


@torch.no_grad()
def _samples(trained: Trained) -> tuple[bytes | None, str]:
    """A picture of samples of seed 0 and how they were made; (None, "") for what is no picture."""
    spec = trained.spec
    count = SHOWN_POINTS if spec.shape == (2,) else SHOWN_LARGE if max(spec.shape) > LARGE else SHOWN
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        shown = picture(trained.sample(count, seed=SEED)) if spec.is_image or spec.shape == (2,) else None
    if shown is None:
        return None, ""
    buffer = io.BytesIO()
    shown.save(buffer, format="PNG")
    return buffer.getvalue(), f"{count:,} samples of seed {SEED}, the first ones, not chosen."
