"""The curves of a run, kept in memory for `result.history`."""

from __future__ import annotations

from collections.abc import Mapping

from ganreg.contracts import Observer


class History(Observer):
    """A list for each value."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """Append each value to its list; a value told for the first time late is padded in front."""
        known = len(self.values.get("step", ()))
        for name, value in values.items():
            self.values.setdefault(name, [float("nan")] * known).append(value)
