"""Watches the balance of the game: says so when D has won, and G's gradient has vanished."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from ganreg.contracts import Observer
from ganreg.engine.run import Run

WON = 1e-4
"""D's loss below which nothing that G makes deceives it."""
VANISHED = 1e-7
"""G's gradient (2-norm) below which it learns nothing: about what float32 rounds away beside a weight."""
PATIENCE = 3
"""Looks in a row before it is told."""


class Watchdog(Observer):
    """Due when values are logged; told once until the game recovers."""

    def __init__(self, *, stops: bool) -> None:
        self.stops = stops
        self._looks = 0
        self._since = 0
        self._run: Run | None = None

    def started(self, run: Run) -> None:
        """Nothing is known yet."""
        self._run = run

    def stepped(self, step: int, values: Mapping[str, float]) -> str | None:
        """Count, and tell."""
        if not (values["loss_d"] < WON and values["grad_g"] < VANISHED):
            self._looks = 0
            self._say("")
            return None
        self._since = self._since if self._looks else step
        self._looks += 1
        if self._looks < PATIENCE:
            return None
        if self._looks == PATIENCE:
            loss, gradient = values["loss_d"], values["grad_g"]
            told = f"D has won since step {self._since}: its loss is {loss:.1g}, and G's gradient {gradient:.1g}"
            advice = "G learns nothing more; lower D's learning rate, or add --regularizer r1"
            self._say(f"{told}; {advice}")
            warnings.warn(f"{told}; {advice}", stacklevel=2)
        return "stop" if self.stops else None

    def _say(self, word: str) -> None:
        """For whoever shows the run."""
        if self._run is not None:
            self._run.word = word
