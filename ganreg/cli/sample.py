"""`ganreg sample`: pictures or numbers from a trained generator; the same seed makes the same samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganreg.cli import output, runs
from ganreg.cli.paths import PathName
from ganreg.cli.session import session_of, with_shared_options
from ganreg.errors import RunExistsError, StorageError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
NUMBERS = ".npz"


@with_shared_options
@click.command()
@click.argument("run", type=runs.RunPath())
@click.option("-n", "--num", "count", type=click.IntRange(1, 10**6), default=64, show_default=True, help="how many")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="of the latents and labels")
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="N|all",
    help="of this class; several take turns, all: every class  [as frequent as in the data]",
)
@click.option(
    "--out",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="a picture, or .npz for the numbers themselves  [RUN/samples/sample-seedS-nN.png]",
)
@click.option(
    "--separate",
    type=PathName(path_type=Path),
    metavar="DIR",
    help="one PNG file for each sample, in a new or empty directory",
)
@click.option("--best", is_flag=True, help="of the checkpoint that was best by the run's first --metric")
@click.option("--force", is_flag=True, help="overwrite what --out names")
@click.pass_context
def sample(
    context: click.Context,
    run: str,
    count: int,
    seed: int,
    classes: tuple[str, ...],
    out: Path | None,
    separate: Path | None,
    best: bool,
    force: bool,
) -> None:
    """Make samples with a trained generator.

    RUN is a run's directory, one of its checkpoints, or latest.  The weights are the averaged ones where an average was kept.
    """
    session_of(context).registry()
    _check_targets(out, separate, force=force)
    directory = runs.find(run)
    from ganreg.assembly.evaluation import chosen_checkpoint
    from ganreg.assembly.load import load_trained

    trained = load_trained(chosen_checkpoint(directory, use_best=best))
    chosen = list(range(trained.spec.num_classes)) if "all" in classes else [_class(word) for word in classes]
    samples = trained.sample(count, seed=seed, classes=chosen)
    if separate is not None:
        if not trained.spec.is_image:
            raise UsageError("these samples are no pictures", at="--separate", fix="give --out FILE.npz")
        _write_each(samples, separate)
        output.say(f"{count} samples: {separate}")
    if out is not None or separate is None:
        of = f"-class{'-'.join(classes)}" if classes else ""
        target = out or trained.path.parents[1] / "samples" / f"sample-seed{seed}-n{count}{of}.png"
        _write(samples, target)
        output.say(f"{count} samples: {target}")


def _class(word: str) -> int:
    if not word.isdecimal():
        raise UsageError(f"a class is a number or all, got '{word}'", at="--class", fix="--class 7")
    return int(word)


def _check_targets(out: Path | None, separate: Path | None, *, force: bool) -> None:
    """Before anything is loaded.  A file under the default name holds what its name says, and may be written again."""
    if out is not None and out.suffix.lower() not in (*PICTURES, NUMBERS):
        known = ", ".join((*PICTURES, NUMBERS))
        raise UsageError(f"a file of samples ends in one of {known}, got '{out.name}'", at="--out", fix="--out samples.png")
    if out is not None and out.exists() and not force:
        raise RunExistsError("the file is there already", at=str(out), fix="add --force, or give another --out")
    if separate is not None and separate.exists() and (not separate.is_dir() or any(separate.iterdir())):
        raise RunExistsError("the directory is not empty", at=str(separate), fix="give another --separate")


def _write(samples: Tensor, target: Path) -> None:
    import numpy as np

    from ganreg.pictures import picture

    made = None if target.suffix.lower() == NUMBERS else picture(samples)
    if made is None and target.suffix.lower() != NUMBERS:
        raise UsageError(f"samples of shape {list(samples.shape[1:])} are no picture", at="--out", fix="give --out FILE.npz")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if made is not None:
            made.save(target)
        else:
            np.savez(target, samples=samples.cpu().numpy())
    except OSError as error:
        what = f"the samples cannot be written: {error.strerror or error}"
        raise StorageError(what, at=str(target), fix="make room, or give another --out") from error


def _write_each(samples: Tensor, directory: Path) -> None:
    from PIL import Image

    from ganreg.pictures import to_uint8

    try:
        directory.mkdir(parents=True, exist_ok=True)
        for index, one in enumerate(to_uint8(samples).cpu().permute(0, 2, 3, 1).numpy()):
            Image.fromarray(one[:, :, 0] if one.shape[2] == 1 else one).save(directory / f"{index:06d}.png")
    except OSError as error:
        what = f"the samples cannot be written: {error.strerror or error}"
        raise StorageError(what, at=str(directory), fix="make room, or give another --separate") from error
