"""Metrics while a run trains: measured on the main rank from the averaged weights, written, the best checkpoint kept.

The other ranks wait at a barrier with a time limit of its own: a metric may take longer than a step may.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ganreg import ambient
from ganreg.contracts import Observer
from ganreg.engine.measuring import Measuring, Row
from ganreg.engine.observers.checkpoints import Checkpoints
from ganreg.engine.run import Run

WAITED_FOR = "the main rank measured its metrics"
FILE = "evaluations.jsonl"


class Measures(Observer):
    """Due every `every` steps and at the last; the first metric names the best checkpoint.  `rows` are all measured here."""

    required = True

    def __init__(self, measuring: Measuring, every: int, run_dir: Path | None = None, saver: Checkpoints | None = None) -> None:
        self.measuring = measuring
        self.every = every
        self.path = run_dir / FILE if run_dir is not None else None
        self.saver = saver
        self.rows: list[Row] = []
        self.tell: Callable[[Sequence[Row]], object] = lambda rows: None  # whom to tell of each measurement
        self._complained: set[str] = set()

    def started(self, run: Run) -> None:
        """Forget what was measured at steps that come again."""
        self.run = run
        run.ranks.be_patient(run.settings.metric_timeout)
        self.rows = [row for row in self.rows if row["step"] <= run.state.step]
        if self.path is not None:
            cut_back(self.path, run.state.step)

    rolled_back = started

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """Measure; the others go on when this is done, whatever came of it."""
        try:
            self._measure(step, values)
        finally:
            self.run.ranks.wait(WAITED_FOR, seconds=self.run.settings.metric_timeout)

    def _measure(self, step: int, values: Mapping[str, float]) -> None:
        run, seed = self.run, self.measuring.seed
        weights = "ema" if run.state.ema is not None else "raw"
        fakes = run.samples(self.measuring.n_fake, seed=seed)
        with ambient.kept():  # metrics and extractors are foreign code
            rows = self.measuring.measure(fakes, step=step, images=run.state.images, weights=weights)
        self.rows += rows
        if self.path is not None:
            append(self.path, rows)
        for row in rows:
            if row["value"] is None and row["reason"] not in self._complained:
                self._complained.add(row["reason"])
                warnings.warn(f"metric {row['metric']} gives no value at step {step}: {row['reason']}", stacklevel=2)
        self.tell(rows)
        if self.saver is not None:
            first = [row for row in rows if row["of"] == self.measuring.metrics[0].name]
            self.saver.offer_best(step, values, _told(step, first))


class WaitForMeasures(Observer):
    """On every other rank, due at the same steps."""

    required = True

    def __init__(self, every: int) -> None:
        self.every = every

    def started(self, run: Run) -> None:
        """Whom to wait for."""
        self.run = run
        run.ranks.be_patient(run.settings.metric_timeout)

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """Raises RankError."""
        self.run.ranks.wait(WAITED_FOR, seconds=self.run.settings.metric_timeout)


def append(path: Path, rows: Sequence[Row]) -> None:
    """A line for each row.  Raises OSError."""
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))


def cut_back(path: Path, step: int) -> None:
    """Drop lines of later steps, which will be measured again, and those that were written in part.  Raises OSError."""
    if not path.exists():
        return
    kept = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n") and _step(line) <= step]
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(b"".join(kept))
    part.replace(path)


def _step(line: bytes) -> float:
    try:
        return int(json.loads(line.decode())["step"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return -1  # whatever it is, it is not ours to remove


def _told(step: int, rows: Sequence[Row]) -> dict[str, Any]:
    """What best.json would say of it."""
    return {
        "step": step,
        "metric": rows[0]["of"],
        "values": {row["metric"]: row["value"] for row in rows},
        "higher_is_better": {row["metric"]: row["higher_is_better"] for row in rows},
        "protocol": rows[0]["protocol"],
    }
