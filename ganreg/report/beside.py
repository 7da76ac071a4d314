"""Several runs beside each other: which settings differ, and which evaluations may be compared at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganreg.errors import printable
from ganreg.report.facts import last_and_best
from ganreg.report.reading import Evaluation, RunRecord

MOST_WORD = 300
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Entry:
    """One key in each run: its value as text, None where a run has no such key."""

    key: str
    values: tuple[str | None, ...]

    @property
    def differs(self) -> bool:
        """Whether not all runs say the same."""
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class Measured:
    """One metric under one protocol: for each run (latest, best), None where the run has none like it."""

    metric: str
    weights: str
    extractor: str
    protocol: Mapping[str, Any]
    higher_is_better: bool
    runs: tuple[tuple[Evaluation, Evaluation] | None, ...]

    @property
    def way(self) -> str:
        """How it was measured, as one text: equal where two metrics were taken alike."""
        return json.dumps([self.weights, self.extractor, self.protocol], sort_keys=True, default=str)

    def leader(self) -> int | None:
        """Which run has the best value of all; None with fewer than two, or where two share it."""
        found = [(pair[1].value or 0.0, index) for index, pair in enumerate(self.runs) if pair is not None]
        if len(found) < 2:
            return None
        top = max(found) if self.higher_is_better else min(found)
        return top[1] if sum(value == top[0] for value, _ in found) == 1 else None


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Nested settings -> "loss.margin": "1.0"; entries of a list that have names go by them."""
    found: dict[str, str] = {}
    for key, value in values.items():
        path = f"{above}{key}"
        if isinstance(value, list) and value and all(isinstance(one, dict) and "name" in one for one in value):
            value = {str(one["name"]): {k: v for k, v in one.items() if k != "name"} or "yes" for one in value}
        if isinstance(value, dict) and value:
            named = value.get("name")
            if isinstance(named, str):
                found[path] = _text(named)
                value = {k: v for k, v in value.items() if k != "name"}
            found |= flat(value, f"{path}.")
        else:
            found[path] = _text(value)
    return found


def entries(runs: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """Every key of any of them, in the order in which they come."""
    each = [flat(run) for run in runs]
    keys = dict.fromkeys(key for run in each for key in run)
    return [Entry(key, tuple(run.get(key) for run in each)) for key in keys]


def measured(records: Sequence[RunRecord]) -> list[Measured]:
    """Every measure that any run has taken, those of one metric together."""
    every = {one.measure: one for record in records for one in record.evaluations}
    order = list(dict.fromkeys(one.metric for one in every.values()))
    found = []
    for measure, one in sorted(every.items(), key=lambda item: order.index(item[1].metric)):
        runs = tuple(last_and_best([e for e in record.evaluations if e.measure == measure]) for record in records)
        if any(runs):
            found.append(Measured(one.metric, one.weights, one.extractor, one.protocol, one.higher_is_better, runs))
    return found


def failures(record: RunRecord) -> list[Evaluation]:
    """Evaluations without a value, one for each metric and reason."""
    found = {(one.metric, one.reason): one for one in record.evaluations if one.value is None}
    return list(found.values())


def unlike(found: Iterable[Measured]) -> list[str]:
    """Sentences about metrics that several runs have, but not alike."""
    told = []
    groups: dict[str, list[Measured]] = {}
    for one in found:
        groups.setdefault(one.metric, []).append(one)
    for metric, group in groups.items():
        runs = {index for one in group for index, pair in enumerate(one.runs) if pair is not None}
        if len(group) < 2 or len(runs) < 2 or any(all(one.runs[index] for index in runs) for one in group):
            continue
        facts = [{**one.protocol, "weights": one.weights, "extractor": one.extractor} for one in group]
        keys = [entry.key for entry in entries(facts) if entry.differs]
        told.append(f"{metric}: not compared, the protocols differ in {', '.join(keys)}")
    return told


def _text(value: Any) -> str:
    words = {None: "none", True: "yes", False: "no"}
    if value is None or isinstance(value, bool):
        return words[value]
    if value in ([], {}):
        return "none"
    text = ", ".join(_text(one) for one in value) if isinstance(value, list) else str(value)
    text = printable(text)
    return text if len(text) <= MOST_WORD else f"{text[:MOST_WORD]} …"
