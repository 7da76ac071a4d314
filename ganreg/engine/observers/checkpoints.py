"""Checkpoints: every so many steps and at the end, the newest few kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from ganreg.contracts import Observer
from ganreg.engine import checkpoint
from ganreg.engine.run import Run


class Checkpoints(Observer):
    """Writes RUN/checkpoints/step-00001000/."""

    required = True

    def __init__(self, run_dir: Path, every: int, keep: int) -> None:
        self.run_dir = run_dir
        self.every = every
        self.keep = keep
        self.tell: Callable[[Path], object] = lambda path: None  # whom to tell of each one
        self.last: Path | None = None

    def started(self, run: Run) -> None:
        """Remember whose state to save."""
        self.run = run

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """Save; then remove the oldest."""
        self.run.refresh()
        state = self.run.state
        shares = self.run.labels.shares
        extra = {
            "spec": asdict(self.run.spec),
            "label_shares": shares.tolist() if shares is not None else None,
            "config": {**self.run.config, "data": state.batches.source.fingerprint()},
        }
        path = self.run_dir / "checkpoints" / f"step-{step:08d}"
        self.last = checkpoint.save(path, state.tensors(), {**state.values(), **extra})
        checkpoint.rotate(self.run_dir, self.keep)
        self.tell(self.last)
