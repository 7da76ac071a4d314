"""The Fréchet distance of features, by hand, against torchmetrics, and where moments are all that is left."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganreg.components.metrics.frechet_distance import FrechetDistance, frechet_distance
from ganreg.contracts import Moments
from ganreg.statistics import moments_of


def features(count: int, width: int, seed: int, shift: float = 0.0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=rng)
    return torch.randn(count, width, generator=rng) @ mixing + shift


def of(mean: list[float], deviations: list[float]) -> Moments:
    return Moments(9, torch.tensor(mean).double(), torch.diag(torch.tensor(deviations).double() ** 2))


def test_of_gaussians_side_by_side_it_is_the_squared_differences_of_means_and_deviations():
    assert frechet_distance(of([0.0, 0.0], [1.0, 2.0]), of([3.0, 4.0], [2.0, 5.0])) == pytest.approx(25 + 1 + 9)


def test_it_is_symmetric_and_nothing_of_a_set_and_itself():
    one, other = features(200, 5, 0), features(300, 5, 1)
    metric = FrechetDistance()

    assert metric(one, other) == pytest.approx(metric(other, one))
    assert metric(one, one) == pytest.approx(0.0, abs=1e-9)


def test_moments_give_what_the_features_give():
    one, other = features(200, 5, 0), features(300, 5, 1)

    assert FrechetDistance().of_moments(moments_of(one), moments_of(other)) == FrechetDistance()(one, other)


def test_it_agrees_with_the_root_of_the_product_in_numpy():
    one, other = features(400, 6, 2), features(500, 6, 3, shift=0.5)
    first, second = one.double().numpy(), other.double().numpy()
    product = np.cov(first.T) @ np.cov(second.T)
    cross = np.sqrt(np.linalg.eigvals(product).real.clip(0)).sum()
    traces = np.trace(np.cov(first.T)) + np.trace(np.cov(second.T))
    expected = ((first.mean(0) - second.mean(0)) ** 2).sum() + traces - 2 * cross

    assert FrechetDistance()(one, other) == pytest.approx(expected, rel=1e-9)


def test_constant_features_are_as_far_apart_as_their_means():
    assert FrechetDistance()(torch.zeros(9, 3), torch.full((9, 3), 2.0)) == 12.0


def test_fewer_samples_than_features_leave_a_distance():
    assert FrechetDistance()(features(5, 40, 0), features(5, 40, 1)) > 0


class Itself(nn.Module):
    """A network whose features are its input."""

    num_features = 8

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def test_it_agrees_with_torchmetrics():
    pytest.importorskip("torchmetrics", reason="pip install 'ganreg[metrics]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchmetrics.image.fid import FrechetInceptionDistance

        real, fake = features(700, 8, 4), features(600, 8, 5, shift=0.3)
        theirs = FrechetInceptionDistance(feature=Itself(), input_img_size=(8, 1, 1))
        theirs.set_dtype(torch.float64)
        theirs.update(real.view(-1, 8, 1, 1), real=True)
        theirs.update(fake.view(-1, 8, 1, 1), real=False)
        expected = float(theirs.compute())

    assert FrechetDistance()(real, fake) == pytest.approx(expected, rel=1e-4)
