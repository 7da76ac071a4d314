"""Precision and recall: the share of fakes that lie where reals are, and of reals that lie where fakes are.

    precision = share of fakes in the union of balls around reals        recall = share of reals in that of balls around fakes

A ball reaches from its sample to its k-th neighbour in its own set.  Precision falls with quality, recall with variety; one
fake far away has a wide ball, which flatters recall.

Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", 2019.
https://arxiv.org/abs/1904.06991
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from ganreg.components.metrics.neighbours import balls, reach


@dataclass(frozen=True, kw_only=True, slots=True)
class PrecisionRecall:
    """Two shares, each better when it is higher."""

    higher_is_better: ClassVar[bool] = True

    k: Annotated[int, Field(ge=1, description="the neighbour that a ball reaches to")] = 3

    def __call__(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        """Features [M, F], [N, F] -> precision, recall.  Raises ValueError for no more than k samples."""
        in_reals, _ = balls(fake, real, reach(real, self.k))
        in_fakes, _ = balls(real, fake, reach(fake, self.k))
        return {"precision": float((in_reals > 0).double().mean()), "recall": float((in_fakes > 0).double().mean())}
