"""Memorisation: are fakes nearer to the training data than the data are to each other?

    memorization = median distance of a fake to its nearest real / median distance of a real to its nearest other real
    copies       = share of fakes nearer to a real than all but 1 % of the reals are to another

Reals stand in for samples that were held out.  About 1, and 0.01, for fresh samples of the same distribution; towards 0, and 1,
for copies.  Fakes that are merely bad are far from everything: a high first number is no praise.

After the test of Meehan, Chaudhuri and Dasgupta, "A Non-Parametric Test to Detect Data-Copying in Generative Models", 2020,
https://arxiv.org/abs/2004.05675, with the reals themselves where it has held-out samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ganreg.components.metrics.neighbours import nearest, reach

NEAR = 0.01
"""Share of the reals that have another so near."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Memorization:
    """A ratio of distances, and the share of fakes that are suspiciously near."""

    higher_is_better: ClassVar[bool] = True
    of_training: ClassVar[bool] = True
    directions: ClassVar[Mapping[str, bool]] = {"copies": False}

    def __call__(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        """Features [M, F] of what was trained on, [N, F].  Raises ValueError where most reals have a twin."""
        among, to_reals = reach(real, 1), nearest(fake, real)
        typical = float(among.median())
        if typical == 0:
            raise ValueError("more than half of the reals are there twice: their distances say nothing")
        near = among.quantile(NEAR)
        return {"memorization": float(to_reals.median()) / typical, "copies": float((to_reals < near).double().mean())}
