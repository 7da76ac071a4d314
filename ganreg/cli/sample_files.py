"""Files that `ganreg sample` writes: a sheet, an animation, the numbers, a file for each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganreg.errors import RunExistsError, StorageError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
ANIMATED = (".gif", ".png", ".webp")
NUMBERS = ".npz"


def check_targets(out: Path | None, separate: Path | None, *, force: bool, animated: bool) -> None:
    """Before anything is loaded.  A file under the default name holds what its name says, and may be written again.

    Raises UsageError for an ending nobody knows, RunExistsError for what is there.
    """
    endings = (*(ANIMATED if animated else PICTURES), NUMBERS)
    if out is not None and out.suffix.lower() not in endings:
        what, example = ("an animation", "walk.gif") if animated else ("a file of samples", "samples.png")
        known = ", ".join(endings)
        raise UsageError(f"{what} ends in one of {known}, got '{out.name}'", at="--out", fix=f"--out {example}")
    if out is not None and (out.exists() or out.is_symlink()) and not force:
        raise RunExistsError("the file is there already", at=str(out), fix="add --force, or give another --out")
    if separate is not None and separate.exists() and (not separate.is_dir() or any(separate.iterdir())):
        raise RunExistsError("the directory is not empty", at=str(separate), fix="give another --separate")


def write(samples: Tensor, target: Path, *, columns: int | None = None, per_second: float | None = None) -> None:
    """A sheet, with so many columns where they are said; with `per_second` an animation.

    It takes the target's place, a link's too, once it is whole.  Raises UsageError, StorageError.
    """
    import numpy as np

    from ganreg.engine import durable
    from ganreg.pictures import animation, picture, save

    ending = target.suffix.lower()
    numbers = ending == NUMBERS
    made = None if numbers or per_second is not None else picture(samples, columns=columns)
    if made is None and not numbers and per_second is None:
        raise UsageError(f"samples of shape {list(samples.shape[1:])} are no picture", at="--out", fix="give --out FILE.npz")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with durable.replacing(target) as file:
            if made is not None:
                save(made, file, ending=ending)
            elif numbers:
                np.savez(file, samples=samples.cpu().numpy())
            elif per_second is not None:
                animation(samples, file, ending=ending, per_second=per_second)
    except ValueError as error:
        raise UsageError(str(error), at="--out", fix="fewer samples, or --out FILE.png, which has no such limit") from error
    except OSError as error:
        raise _unwritten(error, target, "--out") from error


def write_each(samples: Tensor, directory: Path) -> None:
    """000000.png, 000001.png, …  Raises StorageError."""
    from PIL import Image

    from ganreg.pictures import to_uint8

    try:
        directory.mkdir(parents=True, exist_ok=True)
        for index, one in enumerate(to_uint8(samples).cpu().permute(0, 2, 3, 1).numpy()):
            Image.fromarray(one[:, :, 0] if one.shape[2] == 1 else one).save(directory / f"{index:06d}.png")
    except OSError as error:
        raise _unwritten(error, directory, "--separate") from error


def _unwritten(error: OSError, place: Path, option: str) -> StorageError:
    what = f"the samples cannot be written: {error.strerror or error}"
    return StorageError(what, at=str(place), fix=f"make room, or give another {option}")
