"""What the README and docs/data.md tell of `benchmarks/walk.py` and `benchmarks/loader.py`."""

from __future__ import annotations

import shlex
from statistics import median
from typing import Any


def walk(told: dict[str, Any]) -> str:
    """What each command of the README's way through photos took."""
    times = "; ".join(f"`{' '.join(_verb(row['command']))}` {_duration(row['seconds'])}" for row in told["rows"])
    return f"With {told['photos']} photos each took, on {_place(told)}: {times}. `{shlex.join(told['command'])}` walks again."


def loader(told: dict[str, Any]) -> str:
    """Images a second of three loaders, and how they compare round by round."""
    rates = told["images_per_second"]
    names = {"usual": "the usual loop", "folder": "the folder", "packed": "the packed archive"}
    speeds = ", ".join(f"{words} {median(rates[name]):,.0f} images/s" for name, words in names.items())
    ours, packed = (_ratio(told[name]["each"]) for name in ("folder_over_usual", "packed_over_folder"))
    return (
        f"{told['pictures']['count']} pictures to {told['resolution']} pixels, {told['workers']} workers, "
        f"{told['rounds']} rounds: {speeds}. "
        f"Folder beside the usual loop {ours}, archive beside folder {packed} times, on {_place(told)}. "
        f"`{shlex.join(told['command'])}`"
    )


def _verb(command: str) -> list[str]:
    """ "ganreg data check photos" -> data check."""
    words = command.split()[1:]
    return words[:2] if words[0] == "data" else words[:1]


def _ratio(each: list[float]) -> str:
    return f"{median(each):.1f} ({min(each):.1f} – {max(each):.1f})"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _place(told: dict[str, Any]) -> str:
    return f"{told['machine']['cores']} cores ({told['machine']['processor']}, torch {told['torch']})"


TABLES = {"walk": walk, "loader": loader}
