"""Finding runs on disk: `latest`, and what TAB offers for a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from ganreg.cli.paths import PathName, expanded
from ganreg.errors import CheckpointError, UsageError, did_you_mean

RUNS = Path("runs")
MOST_TOLD = 8
"""Runs that an error lists."""


def find(word: str) -> Path:
    """A run directory; `latest` is the run below ./runs whose newest checkpoint is the newest.

    Raises UsageError, and CheckpointError for a path that is nowhere while another run is called nearly so.
    """
    runs = trained()
    if word != "latest":
        path = expanded(word)
        near = "" if path.exists() else did_you_mean(word, map(str, runs))
        if near:
            raise CheckpointError(f"the run directory does not exist.{near}", at=word, fix=_one_of(runs))
        return path
    if not runs:
        raise UsageError(f"there is no run with a checkpoint below {RUNS}", at="latest", fix="name the run's directory")
    return runs[-1]


def _one_of(runs: Sequence[Path]) -> str:
    """The newest first, as many as a line holds."""
    told = [str(run) for run in reversed(runs)]
    return f"one of {', '.join(told[:MOST_TOLD])}{', …' if len(told) > MOST_TOLD else ''}, or latest"


def trained() -> list[Path]:
    """Runs below ./runs that have a checkpoint, the one that was saved last at the end."""
    saved: dict[Path, tuple[int, str]] = {}
    for manifest in RUNS.glob("*/checkpoints/step-*/manifest.json"):
        run = manifest.parents[2]
        saved[run] = max(saved.get(run, (0, "")), (manifest.stat().st_mtime_ns, run.name))
    return sorted(saved, key=lambda run: saved[run])


class RunPath(PathName):
    """A run's directory, or `latest`."""

    name = "run"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Runs that can be gone on with; else directories."""
        found = [CompletionItem(word) for word in ("latest", *map(str, trained())) if word.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="dir")]
