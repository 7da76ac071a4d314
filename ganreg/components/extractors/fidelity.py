"""What the extractors that come through torch-fidelity share: weights by path, pictures as that package takes them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from ganreg.contracts import DataSpec
from ganreg.errors import DataError, MismatchError
from ganreg.pictures import to_uint8


def weights_of(path: str) -> tuple[Path, str]:
    """The file and its sha256.  Raises DataError where it cannot be read or could run code."""
    file = Path(path).expanduser()
    try:
        content = file.read_bytes()
    except OSError as error:
        what = f"the weights cannot be read: {error.strerror or error}"
        raise DataError(what, at=str(file), fix="give the path of the file") from error
    try:
        torch.load(file, map_location="cpu", weights_only=True)  # torch-fidelity's own way would run what is in it
    except Exception as error:
        raise DataError(
            f"the weights are no file of plain tensors: {(str(error).splitlines() or [''])[0]}",
            at=str(file),
            fix="fetch the file again",
        ) from error
    return file, hashlib.sha256(content).hexdigest()


def check_images(spec: DataSpec, *, of: str) -> None:
    """Raises MismatchError for what is no picture of one or three channels."""
    if not spec.is_image or spec.shape[0] not in (1, 3):
        raise MismatchError(
            f"{of} is for pictures of 1 or 3 channels, the data have shape {list(spec.shape)}",
            at=f"extractor {of}",
            fix="--extractor pixels",
        )


def as_uint8(samples: Tensor) -> Tensor:
    """Images [N, 1 or 3, H, W] in [-1, 1] -> uint8 [N, 3, H, W]: the literature's numbers are of stored pictures."""
    shades = to_uint8(samples)
    return shades.expand(-1, 3, -1, -1) if shades.shape[1] == 1 else shades
