"""A checkpoint on disk: a directory of safetensors files, state.json, and manifest.json with the sha256 of each.

    RUN/checkpoints/step-00001000/   generator.safetensors  discriminator.safetensors  ema.safetensors
                                     optimizer-*.safetensors  random.safetensors  state.json  manifest.json
    RUN/checkpoints/latest           the name of the newest, for other tools; never relied on

It is written beside its place under a name that begins with a dot and renamed when all of it has reached the disk: a directory
with its final name is whole, unless the disk damages it, which its manifest tells.  The manifest is written in one form only
and holds a digest of itself, so that no bit of it can change unseen.  No file of it can run code when it is read.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import stat
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ganreg.engine import durable
from ganreg.errors import CheckpointError, StorageError

FORMAT = 2
OLDEST = 1  # without a digest of the manifest
STEP = re.compile(r"step-(\d{8}|[1-9]\d{8,})")
MOST_JSON = 16 << 20  # bytes
MOST_HEADER = 16 << 20  # bytes of a safetensors file's own table: some hundred thousand tensors

Loaded = tuple[dict[str, dict[str, Tensor]], dict[str, Any]]


def save(
    directory: Path,
    files: Mapping[str, Mapping[str, Tensor]],
    values: Mapping[str, Any],
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Write `directory`; a whole one that is there already stays, a damaged one is moved aside.  Raises StorageError.

    `facts` go into the manifest: who made it.
    """
    if directory.exists() and is_whole(directory):
        return directory
    beside = directory.with_name(f".{directory.name}.part")
    needed = 0
    try:
        if directory.exists():
            directory.rename(_free(directory))
        shutil.rmtree(beside, ignore_errors=True)
        if not beside.parent.exists():
            beside.parent.mkdir()  # not its parents: a run directory that is gone stays gone
            run_dir = beside.parent.parent
            durable.sync_directory(run_dir)
            with suppress(PermissionError):  # which names the run directory, as new as this one, and may not be ours
                durable.sync_directory(run_dir.absolute().parent)
        beside.mkdir()
        entries: dict[str, Any] = {}
        for name, tensors in files.items():
            needed += sum(tensor.nbytes for tensor in tensors.values())
            entries[f"{name}.safetensors"] = durable.write(beside / f"{name}.safetensors", _packed(tensors))._asdict()
        entries["state.json"] = durable.write(beside / "state.json", _json(values))._asdict()
        told = {**(facts or {}), "format": FORMAT, "step": values["step"], "files": entries}
        durable.write(beside / "manifest.json", _manifest_of(told))
        durable.sync_directory(beside)
        durable.rename(beside, directory)
        durable.fail_point("latest")
        durable.replace(directory.parent / "latest", f"{directory.name}\n".encode())
    except OSError as error:
        raise _unwritten(directory, error, needed) from error
    return directory


def snapshot(files: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """Copies in main memory, so that training can go on while they are written."""
    return {
        name: {key: tensor.detach().to("cpu", copy=True).contiguous() for key, tensor in tensors.items()}
        for name, tensors in files.items()
    }


def packed(files: Mapping[str, Mapping[str, Tensor]]) -> dict[str, bytes]:
    """As safetensors files, by name."""
    return {f"{name}.safetensors": _packed(tensors) for name, tensors in snapshot(files).items()}


def load(directory: Path, only: tuple[str, ...] | None = None) -> Loaded:
    """Read and verify a checkpoint, or some of its files -> tensors by file, values.  Raises CheckpointError."""
    told = manifest(directory)
    files: dict[str, dict[str, Tensor]] = {}
    values: dict[str, Any] = {}
    for name, entry in told["files"].items():
        stem, _, kind = name.partition(".")
        if only is not None and kind == "safetensors" and stem not in only:
            continue
        path = directory / name
        content = _verified(path, entry)
        if kind == "safetensors":
            files[stem] = _unpacked(content, path)
        elif name == "state.json":
            values = _parsed(content, path)
    return files, values


def verify(directory: Path) -> None:
    """Hash every file of it.  Raises CheckpointError, which names the first that is not as it was written."""
    for name, entry in manifest(directory)["files"].items():
        _verified(directory / name, entry)


def is_whole(directory: Path) -> bool:
    """Whether every file is there as it was written."""
    try:
        verify(directory)
    except CheckpointError:
        return False
    return True


def checkpoints(run_dir: Path) -> list[Path]:
    """The run's checkpoints, oldest step first, whole or not."""
    found = [path for path in (run_dir / "checkpoints").glob("step-*") if STEP.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=step_of)


def step_of(path: Path) -> int:
    """The step that a checkpoint's name says."""
    return int(path.name.removeprefix("step-"))


def newest(run_dir: Path, only: tuple[str, ...] | None = None) -> tuple[Path, Loaded]:
    """The newest whole checkpoint and what is in it; each damaged one that is passed over is told.  Raises CheckpointError."""
    found = checkpoints(run_dir)
    if not found:
        raise CheckpointError("the run has no checkpoint", at=str(run_dir), fix="give the directory of a run that was saved")
    damages: list[CheckpointError] = []
    for path in reversed(found):
        try:
            loaded = load(path, only)
        except CheckpointError as error:
            damages.append(error)
            continue
        for damage in damages:
            warnings.warn(f"{damage.at}: {damage.what}; going on from {path.name}", stacklevel=2)
        return path, loaded
    raise damages[0]


def rotate(newest: Path, keep: int, spared: int | None = None) -> None:
    """Remove all but `keep` up to the newest, which was just written, once that is known to be whole; never step `spared`.

    What lies beyond it is a damaged one that was passed over: its step will come again.  Raises CheckpointError.
    """
    found = [path for path in checkpoints(newest.parents[1]) if step_of(path) <= step_of(newest)]
    if len(found) <= keep:
        return
    verify(newest)
    for path in found[:-keep]:
        if step_of(path) == spared:
            continue
        durable.fail_point("rotate")
        gone = path.with_name(f".{path.name}.gone")
        path.rename(gone)  # a directory with its final name is whole, even while it is removed
        shutil.rmtree(gone, ignore_errors=True)


def sweep(run_dir: Path) -> None:
    """Remove what a dead process left half written or half removed."""
    for pattern in (".step-*.part", ".step-*.gone", ".latest.part"):
        for path in (run_dir / "checkpoints").glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def manifest(directory: Path) -> dict[str, Any]:
    """What a checkpoint says of itself.  Raises CheckpointError."""
    path = directory / "manifest.json"
    content = plain_bytes(path, MOST_JSON, _damaged)
    told = _parsed(content, path)
    found = told.get("format")
    if not isinstance(found, int) or isinstance(found, bool) or not found >= OLDEST:
        raise _damaged("it is no manifest: its format is not a number", path)
    if found > FORMAT:
        raise CheckpointError(
            f"the checkpoint has format {found}, this ganreg reads {FORMAT}", at=str(path), fix="update ganreg"
        )
    body = {key: value for key, value in told.items() if key != "digest"}
    if (found == OLDEST and "digest" in told) or (found > OLDEST and content != _manifest_of(body)):
        raise _damaged("damaged: its digest is not its own", path)
    files = told.get("files")
    if not isinstance(files, dict) or not all(_is_entry(name, entry) for name, entry in files.items()):
        raise _damaged("it does not list files by plain names, with sha256 and size", path)
    return told


def _is_entry(name: str, entry: Any) -> bool:
    plain = re.fullmatch(r"[\w-][\w.-]*\.(safetensors|json)", name) is not None
    return plain and isinstance(entry, dict) and isinstance(entry.get("sha256"), str) and isinstance(_size(entry), int)


def _size(entry: Mapping[str, Any]) -> Any:
    return entry.get("size", entry.get("bytes"))  # format 1 said bytes


def _manifest_of(told: Mapping[str, Any]) -> bytes:
    """The one way in which a manifest is written: any other bytes are damage."""
    plain = json.loads(_json(told))
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return _json({**plain, "digest": digest})


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=1, sort_keys=True) + "\n").encode()


def _packed(tensors: Mapping[str, Tensor]) -> bytes:
    return save_tensors({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def _unpacked(content: bytes, path: Path) -> dict[str, Tensor]:
    try:
        if int.from_bytes(content[:8], "little") > MOST_HEADER:
            raise _damaged(f"its table is longer than {MOST_HEADER:,} bytes", path)
        return load_tensors(content)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, RuntimeError) as error:
        raise _damaged(f"it is no safetensors file: {(str(error).splitlines() or [''])[0]}", path) from error


def _parsed(content: bytes, path: Path) -> dict[str, Any]:
    try:
        told = json.loads(content.decode())  # bytes would be guessed at, and other encodings imported
    except (ValueError, RecursionError) as error:
        raise _damaged(f"it is no JSON: {error}", path) from error
    if not isinstance(told, dict):
        raise _damaged("it holds no JSON object", path)
    return told


def _verified(path: Path, entry: Mapping[str, Any]) -> bytes:
    size = _size(entry)
    content = plain_bytes(path, size, _damaged)
    if len(content) != size:
        raise _damaged(f"truncated: {len(content)} of {size} bytes", path)
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise _damaged("damaged: its sha256 is not the manifest's", path)
    return content


def plain_bytes(path: Path, most: int, damaged: Callable[[str, Path], CheckpointError]) -> bytes:
    """A plain file of at most so many bytes; nothing else is opened.  Raises CheckpointError, made by `damaged`."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise damaged("it is no plain file", path)
        if found.st_size > most:
            raise damaged(f"too long: {found.st_size} of {most} bytes", path)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise damaged("the file is missing", path) from error
    except OSError as error:
        raise damaged(f"it cannot be read: {error.strerror or error}", path) from error


def _damaged(what: str, path: Path) -> CheckpointError:
    return CheckpointError(what, at=str(path), fix="use another checkpoint; ganreg checkpoint list RUN tells which are whole")


def _unwritten(directory: Path, error: OSError, needed: int) -> StorageError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    room = f"; it takes {needed:,} bytes and more, {_room(directory):,} are free" if full else ""
    return StorageError(
        f"the checkpoint cannot be written: {error.strerror or error}{room}",
        at=str(directory),
        fix="make room, or give another --out; older checkpoints are as they were",
    )


def room(path: Path) -> int | None:
    """Bytes that are free where `path` lies or would lie; None where nobody tells."""
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def _room(path: Path) -> int:
    return room(path) or 0


def _free(directory: Path) -> Path:
    """A name to move a damaged checkpoint to."""
    numbers = (directory.with_name(f".damaged-{directory.name}-{number}") for number in range(1, 10**6))
    return next(path for path in numbers if not path.exists())
