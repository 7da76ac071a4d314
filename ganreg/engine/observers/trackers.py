"""Drives the trackers of a run: each is told the values of a logged step, and shown the pictures that are made."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ganreg import ambient
from ganreg.contracts import Observer, Tracker
from ganreg.engine.run import Run
from ganreg.engine.signals import Terminated
from ganreg.errors import GanregError, reason_of

USER_OF_URL = re.compile(r"(?<=://)[^/@\s]+(?=@)")


class Tracked(NamedTuple):
    """A tracker, and how it is called in a word to the user."""

    name: str
    tracker: Tracker


class Trackers(Observer):
    """One that raises is dropped with a warning; but a `GanregError` when it starts ends the run, as it was asked for.

    What a tracker changes of random numbers, torch's defaults and signals is put back.
    """

    def __init__(self, trackers: Sequence[Tracked]) -> None:
        self.trackers = list(trackers)

    def started(self, run: Run) -> None:
        """Hand the configuration over, without what opens doors."""
        self.run = run
        config = _plain(run.config)
        self._tell(lambda one: one.start(config), starting=True)
        for name, tracker in self.trackers:
            if where := getattr(tracker, "where", ""):
                run.shown.append(f"{name}: {where}")

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """The step's values; what a step does not have is nan, and left out."""
        told = {name: value for name, value in values.items() if name != "step" and not math.isnan(value)}
        self._tell(lambda one: one.scalars(step, told))

    def measured(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """What metrics measured, rows as in evaluations.jsonl; one without a value is left out."""
        for step in dict.fromkeys(row["step"] for row in rows):
            told = {f"metric/{row['metric']}": row["value"] for row in rows if row["step"] == step and row["value"] is not None}
            self._tell(lambda one, step=step, told=told: one.scalars(step, told))  # type: ignore[misc]

    def show(self, name: str, picture: Image.Image) -> None:
        """A picture that was made at this step."""
        pixels = np.asarray(picture)
        images = pixels.reshape(1, *pixels.shape[:2], -1)
        self._tell(lambda one: one.images(self.run.state.step, name, images))

    def finished(self, status: str) -> None:
        """All that is still on its way arrives."""
        self._tell(lambda one: one.finish(status))

    def _tell(self, call: Callable[[Tracker], object], *, starting: bool = False) -> None:
        for one in list(self.trackers):
            try:
                with ambient.kept():
                    call(one.tracker)
            except (KeyboardInterrupt, Terminated):
                raise
            except BaseException as error:
                if starting and isinstance(error, GanregError):
                    raise
                self.trackers.remove(one)
                warnings.warn(f"tracker {one.name} is dropped: {reason_of(error)}", stacklevel=2)


def _plain(value: Any) -> Any:
    """Mappings, lists and plain values; of an address with a user or a password, neither."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, str):
        return USER_OF_URL.sub("***", value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)
