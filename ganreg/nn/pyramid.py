"""How an image comes about by doublings: the smallest map, and how often it doubles.

    height = base height · 2^k        width = base width · 2^k        the smaller side of the base is 4 to 7 where it can be

64x64 is 4x4 doubled four times, 28x28 is 7x7 doubled twice, 48x64 is 6x8 doubled three times.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError

BASE = 4
"""The smallest side of the smallest map."""

LARGEST_BASE = 16
"""A longer side is no base any more: 100 pixels double but twice, from 25, and a linear layer would have to draw those."""


@dataclass(frozen=True, slots=True)
class Pyramid:
    """Maps from [height, width] on, doubled `doublings` times."""

    height: int
    width: int
    doublings: int

    @property
    def size(self) -> int:
        """Positions of the smallest map."""
        return self.height * self.width


def pyramid(spec: DataSpec, *, at: str) -> Pyramid:
    """The maps between 4x4, or a little more, and the images of `spec` [C, H, W].

    `at` names the network for the reader of the error.  Raises MismatchError for data that are not images, and for sides
    that do not double from 4 to 16 positions at least once.
    """
    if not spec.is_image:
        raise MismatchError(
            f"expected images [C, H, W], got samples of shape {list(spec.shape)}",
            at=at,
            fix="use the networks 'mlp', which take samples of any shape",
        )
    _, height, width = spec.shape
    count = 0
    while (height | width) % (2 << count) == 0 and min(height, width) >= BASE << (count + 1):
        count += 1
    if count == 0 or max(height, width) >> count > LARGEST_BASE:
        raise MismatchError(
            f"expected images whose sides halve to {BASE} – {LARGEST_BASE} positions, such as 28, 32, 48, 64 or 96 wide, "
            f"got {list(spec.shape)}",
            at=at,
            fix=f"resize the images to {nearest(height, width)}x{nearest(height, width)}",
        )
    return Pyramid(height >> count, width >> count, count)


def nearest(height: int, width: int) -> int:
    """The largest power of two that needs no enlarging, or 8."""
    return max(8, 1 << (min(height, width).bit_length() - 1))
