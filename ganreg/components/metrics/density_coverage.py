"""Density and coverage: precision and recall that one outlier does not move.

    density = mean over fakes of the number of reals' balls that hold it, / k
    coverage = share of reals whose ball holds a fake

A ball reaches from a real to its k-th neighbour among the reals; fakes have none.  Density may exceed 1, where fakes crowd
where reals do; both are 1 or nearly so for two samples of one distribution.

Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", 2020.  https://arxiv.org/abs/2002.09797
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from ganreg.components.metrics.neighbours import balls, reach


@dataclass(frozen=True, kw_only=True, slots=True)
class DensityCoverage:
    """Two numbers, each better when it is higher."""

    higher_is_better: ClassVar[bool] = True

    k: Annotated[int, Field(ge=1, description="the neighbour that a ball reaches to")] = 5

    def __call__(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        """Features [M, F], [N, F] -> density, coverage.  Raises ValueError for no more than k reals."""
        counts, holds = balls(fake, real, reach(real, self.k))
        return {"density": float(counts.double().mean()) / self.k, "coverage": float(holds.double().mean())}
