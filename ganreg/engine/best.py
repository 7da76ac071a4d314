"""The best checkpoint by a metric: RUN/checkpoints/best.json names its step, and rotation leaves it alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganreg.engine import checkpoint, durable
from ganreg.errors import CheckpointError

NAME = "best.json"


def told(run_dir: Path) -> dict[str, Any] | None:
    """What best.json says: step, metric, values, higher_is_better, protocol; None where there is none that can be read."""
    try:
        found = json.loads((run_dir / "checkpoints" / NAME).read_text(encoding="utf-8"))
        return found if isinstance(found["step"], int) and isinstance(found["values"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(run_dir: Path, best: Mapping[str, Any]) -> None:
    """Once its checkpoint is whole.  Raises OSError."""
    durable.replace(run_dir / "checkpoints" / NAME, (json.dumps(best, indent=1) + "\n").encode())


def path_of(run_dir: Path) -> Path:
    """The best checkpoint.  Raises CheckpointError where the run kept none."""
    best = told(run_dir)
    if best is None:
        raise CheckpointError(
            "the run has no best checkpoint", at=str(run_dir), fix="train with --metric NAME; or leave out --best"
        )
    found = [one for one in checkpoint.checkpoints(run_dir) if checkpoint.step_of(one) == best["step"]]
    if not found:
        what = f"the best checkpoint, of step {best['step']}, is gone"
        raise CheckpointError(what, at=str(run_dir), fix="leave out --best")
    return found[0]


def is_better(new: Mapping[str, Any], old: Mapping[str, Any] | None) -> bool:
    """Whether a measurement beats another: its first number, then the next where equal.  Unlike ones do not compare."""
    if any(value is None for value in new["values"].values()):
        return False
    alike = old is not None and all(old.get(key) == new[key] for key in ("metric", "protocol", "higher_is_better"))
    return not alike or old is None or _rank(new) > _rank(old)


def _rank(best: Mapping[str, Any]) -> list[float]:
    return [value if best["higher_is_better"][name] else -value for name, value in best["values"].items()]
