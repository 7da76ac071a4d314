"""The curves of a run, kept in memory for `result.history`."""

from __future__ import annotations

from collections.abc import Mapping

from ganreg.contracts import Observer
from ganreg.engine.run import Run


class History(Observer):
    """A list for each value."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    def rolled_back(self, run: Run) -> None:
        """Forget the steps that come again."""
        steps = self.values.get("step", [])
        kept = sum(step <= run.state.step for step in steps)
        self.values = {name: values[:kept] for name, values in self.values.items()}

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """Append each value to its list; a value told for the first time late is padded in front."""
        known = len(self.values.get("step", ()))
        for name, value in values.items():
            self.values.setdefault(name, [float("nan")] * known).append(value)
