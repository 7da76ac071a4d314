"""Measures of samples: of points beside known Gaussians, of features beside features.  None of them is an FID.

modes, share within 3 sigma, reverse KL      Srivastava et al., VEEGAN, 2017, https://arxiv.org/abs/1705.07761
Frechet distance                             benchmarks/digits_quality.py
kernel distance                              Binkowski et al., 2018, https://arxiv.org/abs/1801.01401
precision and recall                         Kynkaanniemi et al., 2019, https://arxiv.org/abs/1904.06991
"""

from __future__ import annotations

import torch
from torch import Tensor

NEIGHBOURS = 3
"""k of precision and recall."""


def of_points(samples: Tensor, means: Tensor, sigma: float) -> dict[str, float]:
    """Samples [N, 2] beside Gaussians -> modes found, the share of samples within 3 sigma of one, reverse KL in nats.

    A mode is found when a sample lies within 3 sigma of its mean.  The KL is that of the shares of the nearest modes, of all
    samples, from equal shares.
    """
    distance, nearest = torch.cdist(samples.double(), means.double()).min(1)
    good = distance < 3 * sigma
    return {
        "modes": len(nearest[good].unique()),
        "share": good.double().mean().item(),
        "reverse_kl": divergence(torch.bincount(nearest, minlength=len(means)).double()),
    }


def divergence(counts: Tensor) -> float:
    """Counts [K] -> KL of their shares from equal shares, in nats: 0 where all are alike, log K where one has all."""
    shares = counts / counts.sum()
    found = shares[shares > 0]
    return float((found * (found * len(shares)).log()).sum())


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """Features [N, F], [M, F] -> squared maximum mean discrepancy, unbiased, kernel (x y / F + 1)^3."""
    a, b = a.double(), b.double()

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def inner(x: Tensor) -> Tensor:
        own = kernel(x, x)
        return (own.sum() - own.diagonal().sum()) / (len(x) * (len(x) - 1))

    return float(inner(a) + inner(b) - 2 * kernel(a, b).mean())


def precision_and_recall(real: Tensor, fake: Tensor) -> tuple[float, float]:
    """Features -> share of fakes within the reals' reach, and of reals within the fakes'.

    A set's reach is a ball around each of its members as wide as the distance to its third neighbour.
    """

    def within(points: Tensor, members: Tensor) -> float:
        radius = torch.cdist(members, members).kthvalue(NEIGHBOURS + 1, dim=1).values  # the first is itself
        return float((torch.cdist(points, members) <= radius).any(1).double().mean())

    return within(fake, real), within(real, fake)
