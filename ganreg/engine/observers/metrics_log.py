"""metrics.jsonl: one JSON object for each logged step."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from ganreg.contracts import Observer
from ganreg.engine.run import Run
from ganreg.errors import CheckpointError, printable


class MetricsLog(Observer):
    """Appends to RUN/metrics.jsonl; a resumed run first cuts the file back to the step it goes on from."""

    required = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def started(self, run: Run) -> None:
        """Drop lines of steps that will be run again."""
        if not self.path.exists():
            return
        lines = self.path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if line.endswith(b"\n") and self._step(line) <= run.state.step]
        part = self.path.with_name(".metrics.jsonl.part")
        part.write_bytes(b"".join(kept))
        part.replace(self.path)

    rolled_back = started

    def _step(self, line: bytes) -> int:
        try:
            return int(json.loads(line.decode())["step"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            told = line.strip()[:80].decode(errors="backslashreplace")
            what = f"a line of the log is not a logged step: {printable(told)}"
            raise CheckpointError(what, at=str(self.path), fix="take that line out") from error

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """One line; what is not finite is null, because JSON has no nan."""
        row = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
