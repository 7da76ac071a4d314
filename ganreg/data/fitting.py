"""Which resolution the networks of a run make, where nothing else is chosen: a command that is proposed must not be refused."""

from __future__ import annotations

from itertools import count
from typing import NamedTuple

from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError
from ganreg.nn.pyramid import pyramid  # the rule of dcgan, which is the default

ANY_SHAPE = ("--generator", "mlp")
"""Networks that make samples of any shape."""


class Fitted(NamedTuple):
    """What a command says of the size, and a note where that is not what was asked for."""

    resolution: int | None
    words: tuple[str, ...] = ()
    note: str = ""


def fitted(height: int, width: int, resolution: int | None, *, resizes: bool = True) -> Fitted:
    """For images of this size, read at `resolution` or as they are; `resizes` says whether the data can be read at another."""
    if fits(height, width):
        return Fitted(resolution)
    told = f"the default networks make no images of {height} x {width}"
    if not resizes:
        return Fitted(resolution, ANY_SHAPE, f"{told}, and these are not resized; the networks 'mlp' make any")
    near = nearest(min(height, width))
    return Fitted(near, (), f"{told}; {near} x {near} is the nearest that they make")


def fits(height: int, width: int) -> bool:
    """Whether the default networks make such images."""
    try:
        pyramid(DataSpec((1, height, width)), at="")
    except MismatchError:
        return False
    return True


def nearest(side: int) -> int:
    """The side of a square that the default networks make; of two as near the smaller one, which enlarges nothing."""
    return next(one for gap in count() for one in (side - gap, side + gap) if one > 0 and fits(one, one))
