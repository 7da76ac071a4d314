"""Progress: rich's live view on a terminal, one plain line per tick otherwise, so that people can grep it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ganreg.contracts import Observer
from ganreg.engine.observers import balance
from ganreg.engine.run import Run

TICK_SECONDS = 5.0
METRIC = "metric/"
BAR = 24


class ProgressLine(Observer):
    """Both losses, D(x), D(G(z)), distance from equilibrium, images per second, time left.

    On a terminal also the last value of each metric, and what the watchdog said last.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stdout)
        self._live: Live | None = None
        self._told = time.monotonic()
        self._values: Mapping[str, float] = {}
        self._metrics: dict[str, str] = {}
        self._left = float("nan")

    @property
    def every(self) -> int | None:
        """Due when values are logged, and at once when nothing was said for a while: a slow run shows that it runs."""
        return 1 if time.monotonic() - self._told >= TICK_SECONDS else None

    def started(self, run: Run) -> None:
        """Open the view."""
        self.run = run
        self._began = time.monotonic()
        self._first_step = run.state.step
        if self.console.is_terminal:
            self._live = Live(get_renderable=self._view, console=self.console, refresh_per_second=4)
            self._live.start()

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """Say how it stands."""
        now = time.monotonic()
        is_first = step <= self._first_step + self.run.settings.log_every
        self._left = (now - self._began) / max(step - self._first_step, 1) * (self.run.total_steps - step)
        self._values = values
        for name, value in values.items():
            if name.startswith(METRIC):
                self._metrics[name.removeprefix(METRIC)] = f"{value:.4g} at step {step}"
        if self._live is not None:
            self._told = now
        elif is_first or step == self.run.total_steps or now - self._told >= TICK_SECONDS:
            self._told = now
            words = "  ".join([*self._where(), *self._game(), self._pace()])
            print(f"{words}  left {_clock(self._left)}", file=self.console.file, flush=True)

    def measured(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """What metrics measured, in which features, and of how many: a line each, or the last of each in the view."""
        for row in rows:
            protocol = row["protocol"]
            value = f"{row['value']:.4g}" if row["value"] is not None else f"none: {row['reason']}"
            how = f"{row['extractor']}, {protocol['n_real']} reals, {protocol['n_fake']} fakes, {row['weights']} weights"
            self._metrics[row["metric"]] = f"{value} at step {row['step']}  ({row['extractor']})"
            if self._live is None:
                print(f"step {row['step']}: {row['metric']} {value}  ({how})", file=self.console.file, flush=True)

    def finished(self, status: str) -> None:
        """Close the view; what it showed last stays."""
        if self._live is not None:
            self._live.stop()

    def _view(self) -> RenderableType:
        """A bar with the time left, the game, the last metrics, the watchdog's last word."""
        step = int(self._values.get("step", self._first_step))
        left = max(0.0, self._left - (time.monotonic() - self._told))  # counts down between two looks
        known = f"left {_clock(left)}" if self._values else "starting"
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=self.run.total_steps, completed=step, width=BAR)
        head.add_row(bar, Text(f"{step}/{self.run.total_steps}"), Text(f"{100 * step // self.run.total_steps} %"), Text(known))
        lines: list[RenderableType] = [head]
        if self._values:
            lines.append(Text("  ".join([f"images {self._values['images']:,.0f}", self._pace(), *self._troubles()])))
            *numbers, stands = self._game()
            lines += [Text("  ".join(numbers)), Text(stands, style=_style(stands))]
        lines += [Text(f"{name} {value}") for name, value in self._metrics.items()]
        if self.run.word:
            lines.append(Text(self.run.word, style="yellow"))
        return Group(*lines)

    def _where(self) -> list[str]:
        return [f"step {self._values['step']:.0f}/{self.run.total_steps}", f"images {self._values['images']:.0f}"]

    def _game(self) -> list[str]:
        values = self._values
        return [
            f"L_D {values['loss_d']:.3f}",
            f"L_G {values['loss_g']:.3f}",
            f"D(x) {values['d_real']:.2f}",
            f"D(G(z)) {values['d_fake']:.2f}",
            balance(values, self.run.equilibrium),
        ]

    def _pace(self) -> str:
        return f"{self._values['images_per_second']:.0f} img/s"

    def _troubles(self) -> list[str]:
        """Updates that were left out, and returns to a checkpoint, where there were any."""
        return [f"{name} {self._values[name]:.0f}" for name in ("skipped", "rollbacks") if self._values.get(name)]


def _style(stands: str) -> str:
    return "green" if stands.endswith("D cannot tell") else "red" if stands.endswith("D wins") else ""


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
