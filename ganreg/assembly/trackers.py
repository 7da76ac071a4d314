"""The trackers of a run: each is built once before anything is written, to see that it can be, then in the run's directory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ganreg import registry as registries
from ganreg.assembly.config import Choice
from ganreg.contracts import Tracker
from ganreg.engine.observers.trackers import Tracked
from ganreg.errors import GanregError, SettingsError

NOWHERE = Path("rehearsal")
"""The directory of a run that is only rehearsed; building a tracker writes nothing."""


@dataclass(frozen=True)
class Wanted:
    """A tracker that was asked for, or that a recipe, or a run that goes on, had."""

    name: str
    make: Callable[[Path], Any]
    asked: bool = True
    needs_directory: bool = True


def chosen(choices: Sequence[Choice]) -> list[Wanted]:
    """Those of a configuration.  Raises SettingsError where one is named twice: both would write into one place."""
    names = [choice.part.name for choice in choices]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"tracker '{name}' is named twice", at="--tracker", fix="name it once")
    return [Wanted(choice.part.name, choice.build, choice.asked) for choice in choices]


def given(trackers: Sequence[str | Tracker], *, writes: bool) -> list[Wanted]:
    """Names and objects of a Python program.  Raises TypeError, ValueError for a name without a directory."""
    if isinstance(trackers, str):
        raise TypeError(f"expected a list of trackers, got the text '{trackers}'")
    objects = [one for one in trackers if not isinstance(one, str)]
    if wrong := [one for one in objects if not isinstance(one, Tracker)]:
        methods = "start, scalars, images and finish"
        raise TypeError(f"expected a tracker to have {methods}, got {type(wrong[0]).__name__}")
    names = [one for one in trackers if isinstance(one, str)]
    if names and not writes:
        raise ValueError(f"expected a run directory for the tracker '{names[0]}', got none: give out='runs/mine'")
    named = chosen([_choice(name) for name in names])
    return [*named, *(Wanted(type(one).__name__, partial(_itself, one), needs_directory=False) for one in objects)]


def _itself(tracker: Tracker, _: Path) -> Tracker:
    return tracker


def told(trackers: Sequence[str | Tracker]) -> list[Any]:
    """What a run's config.yaml says of them: those that a name builds again."""
    return [
        named
        for one in trackers
        if (named := _choice(one).plain() if isinstance(one, str) else registries.made_as(one)) is not None
    ]


def _choice(name: str) -> Choice:
    part = registries.current().part("tracker", name)
    return Choice(part, part.check({}))


def available(wanted: Sequence[Wanted], directory: Path | None) -> list[Wanted]:
    """Those that can be built.  One that nobody asked for is left out with a warning.  Raises GanregError for another."""
    found = []
    for one in wanted:
        try:
            if one.needs_directory:
                one.make(directory or NOWHERE)
        except GanregError as error:
            if one.asked:
                raise
            warnings.warn(f"tracker '{one.name}' is left out: {error.what}; {error.fix}", stacklevel=2)
        else:
            found.append(one)
    return found


def built(wanted: Sequence[Wanted], directory: Path | None) -> list[Tracked]:
    """In the run's directory."""
    return [Tracked(one.name, one.make(directory or NOWHERE)) for one in wanted]
