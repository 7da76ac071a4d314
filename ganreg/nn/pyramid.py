"""Which images a network that doubles from 4x4 can make or judge: square ones, a power of two wide."""

from __future__ import annotations

from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError

BASE = 4
"""Height and width of the smallest feature map."""

SIZES = (8, 16, 32, 64, 128)


def doublings(spec: DataSpec, *, at: str) -> int:
    """How often 4x4 doubles until it is as wide as the images of `spec`: 1 for 8x8, 5 for 128x128.

    `at` names the network for the reader of the error.  Raises MismatchError for data that are not images [C, H, W],
    not square, or not 8, 16, 32, 64 or 128 wide.
    """
    shape = list(spec.shape)
    if not spec.is_image:
        raise MismatchError(
            f"expected images [C, H, W], got samples of shape {shape}",
            at=at,
            fix="use the networks 'mlp', which take samples of any shape",
        )
    _, height, width = spec.shape
    if height != width or height not in SIZES:
        raise MismatchError(
            f"expected square images 8, 16, 32, 64 or 128 wide, got {shape}",
            at=at,
            fix=f"resize the images to {nearest(height, width)}x{nearest(height, width)}",
        )
    return (height // BASE).bit_length() - 1


def nearest(height: int, width: int) -> int:
    """The largest size that needs no enlarging, or 8."""
    return max((size for size in SIZES if size <= min(height, width)), default=SIZES[0])
