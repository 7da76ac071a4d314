"""Progress: rich's live line on a terminal, one plain line per tick otherwise, so that people can grep it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ganreg.contracts import Observer
from ganreg.engine.observers import balance
from ganreg.engine.run import Run

TICK_SECONDS = 5.0


class ProgressLine(Observer):
    """Both losses, D(x), D(G(z)), distance from equilibrium, images per second, time left."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stdout)
        self._live: Progress | None = None
        self._told = time.monotonic()

    @property
    def every(self) -> int | None:
        """Due when values are logged, and at once when nothing was said for a while: a slow run shows that it runs."""
        return 1 if time.monotonic() - self._told >= TICK_SECONDS else None

    def started(self, run: Run) -> None:
        """Open the line."""
        self.run = run
        self._began = time.monotonic()
        self._first_step = run.state.step
        if self.console.is_terminal:
            columns = (BarColumn(bar_width=20), TextColumn("{task.description}"), TimeRemainingColumn())
            self._live = Progress(*columns, console=self.console, refresh_per_second=4)
            self._live.start()
            self._task = self._live.add_task("starting", total=run.total_steps, completed=run.state.step)

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """Say how it stands."""
        now = time.monotonic()
        is_first = step <= self._first_step + self.run.settings.log_every
        if self._live is not None:
            self._told = now
            self._live.update(self._task, completed=step, description=self._words(values))
        elif is_first or step == self.run.total_steps or now - self._told >= TICK_SECONDS:
            self._told = now
            left = (now - self._began) / max(step - self._first_step, 1) * (self.run.total_steps - step)
            print(f"{self._words(values)}  left {_clock(left)}", file=self.console.file, flush=True)

    def measured(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """A line for each measurement, in which features, and of how many."""
        for row in rows:
            protocol = row["protocol"]
            value = f"{row['value']:.4g}" if row["value"] is not None else f"none: {row['reason']}"
            how = f"{row['extractor']}, {protocol['n_real']} reals, {protocol['n_fake']} fakes, {row['weights']} weights"
            line = f"step {row['step']}: {row['metric']} {value}  ({how})"
            if self._live is not None:
                self._live.console.print(line, markup=False, highlight=False)
            else:
                print(line, file=self.console.file, flush=True)

    def finished(self, status: str) -> None:
        """Close the line."""
        if self._live is not None:
            self._live.stop()

    def _words(self, values: Mapping[str, float]) -> str:
        return (
            f"step {values['step']:.0f}/{self.run.total_steps}  images {values['images']:.0f}  "
            f"L_D {values['loss_d']:.3f}  L_G {values['loss_g']:.3f}  "
            f"D(x) {values['d_real']:.2f}  D(G(z)) {values['d_fake']:.2f}  "
            f"{balance(values, self.run.equilibrium)}  {values['images_per_second']:.0f} img/s"
        )


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
