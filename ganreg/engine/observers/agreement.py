"""Ranks of one run look at each other now and then: the same configuration, code, data, step and weights, or the run ends."""

from __future__ import annotations

from collections.abc import Mapping

from ganreg.contracts import Observer
from ganreg.engine.distributed import CHECK_EVERY
from ganreg.engine.run import Run


class Agreement(Observer):
    """Due on every rank at the same steps."""

    every = CHECK_EVERY

    def started(self, run: Run) -> None:
        """Remember what to compare."""
        self.run = run

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """Raises RankError."""
        self.run.ranks.check_agree(self.run.facts(), step=step)
