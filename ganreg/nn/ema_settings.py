"""How long an average remembers: the settings of `nn.ema`, without torch, so that a command line lists them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ganreg.contracts import Schedule


@dataclass(frozen=True, kw_only=True, slots=True)
class EMASettings:
    """How long the average remembers."""

    half_life: (
        Annotated[float, Field(gt=0, description="images, a batch for each step of G, after which a weight counts half")]
        | Schedule
    ) = 500_000.0
    ramp: Annotated[float, Field(gt=0, description="at most this share of the images seen so far; none: no ramp")] | None = 0.05

    def decay(self, batch_size: int, images: int) -> float:
        """b for a step of this many images, after so many."""
        asked = self.half_life.at(images) if isinstance(self.half_life, Schedule) else self.half_life
        half_life = asked if self.ramp is None else min(asked, self.ramp * images)
        return float(0.5 ** (batch_size / max(half_life, 1e-8)))
