"""Fréchet distance: how far two Gaussians with the mean and covariance of the features are from each other.

    |m_r - m_f|^2 + tr(C_r + C_f - 2 (C_r^1/2 C_f C_r^1/2)^1/2)

0 for equal moments; it sees a shift, a loss of variety and a blur, but cannot say which.  It falls as samples grow in number:
values of different counts are different metrics.  Only in the features of the 2015 Inception network is it the FID.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", 2017.
https://arxiv.org/abs/1706.08500
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ganreg.contracts import Moments
from ganreg.statistics import moments_of


@dataclass(frozen=True, kw_only=True, slots=True)
class FrechetDistance:
    """Of moments alone: no feature needs to be kept."""

    higher_is_better: ClassVar[bool] = False

    def __call__(self, real: Tensor, fake: Tensor) -> float:
        """Features [M, F], [N, F] -> distance."""
        return frechet_distance(moments_of(real), moments_of(fake))

    def of_moments(self, real: Moments, fake: Moments) -> float:
        """The same, from float64 moments."""
        return frechet_distance(real, fake)


def frechet_distance(real: Moments, fake: Moments) -> float:
    """Symmetric in both.  The trace of the root is a sum of roots of eigenvalues, which rounding alone makes negative."""
    values, vectors = torch.linalg.eigh(real.covariance)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    between = root @ fake.covariance @ root
    cross = torch.linalg.eigvalsh((between + between.T) / 2).clamp_min(0).sqrt().sum()
    shift = (real.mean - fake.mean).square().sum()
    return max(0.0, float(shift + real.covariance.trace() + fake.covariance.trace() - 2 * cross))
