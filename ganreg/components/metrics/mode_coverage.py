"""Mode coverage of points among known Gaussians: how many are found, by how good samples, how evenly.

    modes                 means with a sample within 3 sigma
    share-within-3-sigma  of the samples
    reverse-kl            KL of the shares of nearest modes from equal shares, in nats: 0 where all are alike, log K for one

No features are needed: the points are their own.

Srivastava et al., "VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning", 2017.
https://arxiv.org/abs/1705.07761
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor


class ModeCoverage:
    """For data that have `means` [K, D] and `sigma`, as `gaussians` has."""

    higher_is_better: ClassVar[bool] = True
    directions: ClassVar[Mapping[str, bool]] = {"reverse-kl": False}
    extractor: ClassVar[str] = "pixels"

    def __init__(self) -> None:
        self._means: Tensor | None = None
        self._sigma = 0.0

    def prepare(self, dataset: Any) -> None:
        """Take means and sigma from the data.  Raises ValueError where they have none."""
        if not hasattr(dataset, "means") or not hasattr(dataset, "sigma"):
            raise ValueError("the data have no known modes: expected a data set with means [K, D] and sigma")
        self._means, self._sigma = torch.as_tensor(dataset.means), float(dataset.sigma)

    def __call__(self, real: Tensor, fake: Tensor) -> dict[str, float]:
        """Points [M, D], which do not count, and [N, D]."""
        if self._means is None:
            raise ValueError("the modes are not known: prepare(dataset) comes first")
        modes, share, divergence = of_points(fake, self._means, self._sigma)
        return {"modes": float(modes), "share-within-3-sigma": share, "reverse-kl": divergence}


def of_points(samples: Tensor, means: Tensor, sigma: float) -> tuple[int, float, float]:
    """Points [N, D], means [K, D] -> modes found, the share of points within 3 sigma of one, reverse KL in nats."""
    distance, nearest = torch.cdist(samples.double().cpu(), means.double().cpu()).min(1)
    good = distance < 3 * sigma
    share = good.double().mean().item()
    return len(torch.unique(nearest[good])), share, divergence(torch.bincount(nearest, minlength=len(means)).double())


def divergence(counts: Tensor) -> float:
    """Counts [K] -> KL of their shares from equal shares, in nats: 0 where all are alike, log K where one has all."""
    shares = counts / counts.sum()
    found = shares[shares > 0]
    return float((found * (found * len(shares)).log()).sum())
