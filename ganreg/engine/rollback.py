"""Back to the last whole checkpoint after a value that was not finite, and on with other random numbers and data.

Weights, moments, average and buffers go back; the position in the data does not, and the streams of random numbers begin
anew from the run's seed and the count: else the same step would break again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ganreg.engine import checkpoint
from ganreg.errors import CheckpointError, NonFiniteError, SettingsError

if TYPE_CHECKING:
    from ganreg.engine.run import Run
    from ganreg.engine.settings import RunSettings
    from ganreg.engine.work import Work


@dataclass
class Rollbacks:
    """How often a run went back, and how often it may."""

    most: int
    count: int = 0

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"count": self.count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """From a checkpoint."""
        self.count = int(state.get("count", 0))  # of a run that might not go back, none


def check(settings: RunSettings, *, writes: bool = True) -> None:
    """Whether a run can go back at all; for several ranks see `RunSettings.check_ranks`.  Raises SettingsError."""
    hindrance = {
        "needs a run directory, for its checkpoints": not writes,
        "cannot replace what CUDA graphs have recorded": settings.cuda_graphs == "on",
    }
    for why, hinders in hindrance.items():
        if hinders and settings.on_nonfinite == "rollback":
            raise SettingsError(f"rollback {why}", at="--on-nonfinite", fix="--on-nonfinite stop, or skip")


def roll_back(run: Run, work: Work, rollbacks: Rollbacks, error: NonFiniteError, *, position: int) -> str:
    """Restore the newest whole checkpoint -> what to tell of it.  Raises the error where there is none, or none left."""
    count = rollbacks.count + 1
    if count > rollbacks.most:
        raise NonFiniteError(
            f"{error.what} (after {rollbacks.most} rollbacks, as many as may be)",
            at=error.at,
            fix="lower the learning rate, or allow more with --max-nonfinite",
        ) from error
    assert run.directory is not None
    try:
        path, (files, values) = checkpoint.newest(run.directory)
    except CheckpointError:
        raise error from None  # nothing was saved yet
    state = run.state
    state.restore(files, {**values, "position": position, "images": position})
    rollbacks.count = count
    seed = (run.settings.seed * 1_000_003 + count) % 2**63
    state.rng.manual_seed(seed)
    torch.manual_seed(seed)
    work.gate.open()
    work.values |= {name: torch.tensor(value, device=state.device) for name, value in values.get("penalties", {}).items()}
    return f"{error.what}; back to {path.name}, with other random numbers ({count} of at most {rollbacks.most} rollbacks)"
