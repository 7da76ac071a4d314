"""Where each of the last steps began, so that one of them can be run again."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from torch import Tensor

from ganreg.engine.state import State

MOST = 1000  # steps; some ten kilobytes each


class Mark(NamedTuple):
    """A step's beginning."""

    step: int
    images: int
    position: int  # in the data
    streams: dict[str, Tensor]  # of random numbers


class Trail:
    """The beginnings of the last steps."""

    def __init__(self, keep: int = 1) -> None:
        self._marks: deque[Mark] = deque(maxlen=min(keep, MOST))

    def mark(self, state: State) -> None:
        """Remember the step that begins now."""
        self._marks.append(Mark(state.step, state.images, state.batches.position, state.streams()))

    def back_to(self, step: int, state: State) -> dict[str, Tensor] | None:
        """Put step, streams and data back to where a step began -> the streams; None where that is not known."""
        for mark in reversed(self._marks):  # after a rollback, steps come again
            if mark.step == step and state.batches.source.ordered_by_us:
                state.step, state.images = mark.step, mark.images
                state.set_streams(mark.streams)
                state.batches.close()
                state.batches.seek(mark.position)
                return mark.streams
        return None
