"""A run directory as it is: whole, still growing, or damaged.  What is not there, or cannot be read, is said and left out.

RUN/config.yaml  environment.json  metrics.jsonl  evaluations.jsonl  words.jsonl  samples/  exit.json
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganreg import yamltext
from ganreg.errors import CheckpointError, GanregError, UsageError, printable, reason_of

MOST_BYTES = 8 * 1024 * 1024
"""Of a file that is read whole, and of one line: ours are thousands of times smaller."""

LARGEST = 1e300
"""Of a number: the span of an axis must be one, too."""

Row = dict[str, float | None]
"""Numbers of one logged step; None for one that was not finite."""

STEP = re.compile(r"step-(\d{1,18})\.png")
OF_A_RUN = ("config.yaml", "metrics.jsonl", "environment.json", "exit.json", "samples")


@dataclass(frozen=True)
class Evaluation:
    """One number of one measurement; `value` None where it could not be taken, for a `reason`."""

    step: int
    metric: str
    value: float | None
    weights: str = ""
    extractor: str = ""
    reason: str = ""
    higher_is_better: bool = False
    protocol: Mapping[str, Any] = field(default_factory=dict)

    @property
    def measure(self) -> tuple[str, str, str, str]:
        """What must be the same in two evaluations whose values may be compared."""
        return self.metric, self.weights, self.extractor, json.dumps(self.protocol, sort_keys=True, default=str)


@dataclass
class RunRecord:
    """Everything a run left behind that a reader wants to know; `missing` says in sentences what could not be had."""

    path: Path
    name: str
    config: dict[str, Any] = field(default_factory=dict)
    repeatable: bool = False
    environment: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    pictures: dict[int, Path] = field(default_factory=dict)
    reals: Path | None = None
    evaluations: list[Evaluation] = field(default_factory=list)
    words: list[tuple[int, str]] = field(default_factory=list)
    end: dict[str, Any] | None = None
    missing: list[str] = field(default_factory=list)

    @property
    def equilibrium(self) -> tuple[float, float] | None:
        """(L_D, L_G) at the loss's own equilibrium, where the run tells one."""
        told = self.environment.get("equilibrium")
        if not isinstance(told, list) or len(told) != 2:
            return None
        first, second = number(told[0]), number(told[1])
        return (first, second) if first is not None and second is not None else None

    def column(self, name: str) -> list[tuple[float, float | None]]:
        """(step, value) of one of the log's numbers, in the order of steps; empty where it was never logged."""
        return [(float(row["step"] or 0), row[name]) for row in self.rows if name in row]


def read(path: Path) -> RunRecord:
    """A run's directory -> its record.  Raises CheckpointError where nothing of a run is there."""
    try:
        is_run = path.is_dir() and any((path / name).exists() for name in OF_A_RUN)
    except OSError as error:
        what = f"the run cannot be read: {error.strerror}"
        raise CheckpointError(what, at=str(path), fix="give a run directory that you may read") from error
    if not is_run:
        what = "this is no run directory" if path.is_dir() else "there is no such run directory"
        raise CheckpointError(what, at=str(path), fix="give a directory that ganreg train wrote")
    record = RunRecord(path, path.resolve().name or str(path))
    _read_config(record)
    record.environment = _mapping(record, "environment.json", "versions and device are not known")
    _read_log(record)
    _read_samples(record)
    _read_evaluations(record)
    told = list(_lines(record, "words.jsonl"))
    record.words = [(int(number(row.get("step")) or 0), str(row.get("told", ""))) for row in told if row.get("told")]
    if (path / "exit.json").exists():  # else the run goes on, or was killed: no damage
        record.end = _mapping(record, "exit.json", "how the run ended is not known") or None
    return record


def read_all(paths: Sequence[Path]) -> list[RunRecord]:
    """Several runs; those that share a directory's name go by as much of their path as tells them apart.

    Raises CheckpointError, and UsageError for a run that is named twice.
    """
    records = [read(path) for path in paths]
    places = [record.path.resolve() for record in records]
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice is not None:
        raise UsageError("this run is named twice", at=str(twice), fix="name each run once")
    depth = 1
    names = [place.name for place in places]
    while len(set(names)) < len(names):
        depth += 1
        names = ["/".join(place.parts[-depth:]) for place in places]
    for record, name in zip(records, names, strict=True):
        record.name = name or record.name
    return records


def number(value: Any) -> float | None:
    """A number that can be drawn, or None for what is none: text, nan, infinity or nearly so."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) and abs(value) <= LARGEST else None
    except OverflowError:
        return None


def _read_config(record: RunRecord) -> None:
    path = record.path / "config.yaml"
    try:
        record.config = yamltext.read(path).values
        with path.open(encoding="utf-8") as file:
            record.repeatable = "objects" not in file.readline()
    except (GanregError, OSError, RecursionError) as error:
        why = error.what if isinstance(error, GanregError) else reason_of(error)
        record.missing.append(f"config.yaml: {printable(why)}; the settings are not known")


def _read_log(record: RunRecord) -> None:
    rows: dict[float, Row] = {}  # a step that was run again is the last one that was written
    for told in _lines(record, "metrics.jsonl", without="there are no losses to draw"):
        step = number(told.get("step"))
        if step is not None:
            rows[step] = {name: number(value) for name, value in told.items() if value is None or _is_number(value)}
    record.rows = [rows[step] for step in sorted(rows)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read_samples(record: RunRecord) -> None:
    folder = record.path / "samples"
    try:
        found = {int(match[1]): one for one in folder.iterdir() if (match := STEP.fullmatch(one.name)) and one.is_file()}
        reals = folder / "reals.png"
        record.reals = reals if reals.is_file() else None
    except OSError:
        found = {}
    record.pictures = dict(sorted(found.items()))
    if not found:
        record.missing.append("samples: there are no pictures of what the generator makes")


def _read_evaluations(record: RunRecord) -> None:
    for told in _lines(record, "evaluations.jsonl"):
        step, metric = number(told.get("step")), told.get("metric")
        if step is None or not isinstance(metric, str):
            continue
        protocol = told.get("protocol")
        record.evaluations.append(
            Evaluation(
                step=int(step),
                metric=metric,
                value=number(told.get("value")),
                weights=str(told.get("weights") or ""),
                extractor=str(told.get("extractor") or ""),
                reason=str(told.get("reason") or ""),
                higher_is_better=told.get("higher_is_better") is True,
                protocol=protocol if isinstance(protocol, dict) else {},
            )
        )


def _mapping(record: RunRecord, name: str, without: str) -> dict[str, Any]:
    path = record.path / name
    try:
        if not path.is_file():
            record.missing.append(f"{name} is not there; {without}")
            return {}
        with path.open("rb") as file:
            values = json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        record.missing.append(f"{name} cannot be read ({printable(reason_of(error))}); {without}")
        return {}
    if not isinstance(values, dict):
        record.missing.append(f"{name} holds no mapping; {without}")
        return {}
    return values


def _lines(record: RunRecord, name: str, *, without: str = "") -> Iterator[dict[str, Any]]:
    """The objects of a file with one to a line; lines that are none are counted, and told."""
    path = record.path / name
    broken = 0
    try:
        if not path.is_file():
            if without:
                record.missing.append(f"{name} is not there; {without}")
            return
        with path.open("rb") as file:
            while line := file.readline(MOST_BYTES):
                row = _row(line)
                if row is None:
                    broken += bool(line.strip())
                else:
                    yield row
    except OSError as error:
        record.missing.append(f"{name} cannot be read ({error.strerror})")
    if broken:
        lines = "a line is cut or damaged and is" if broken == 1 else f"{broken} lines are cut or damaged and are"
        record.missing.append(f"{name}: {lines} left out")


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
