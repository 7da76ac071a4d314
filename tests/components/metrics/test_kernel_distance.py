"""The kernel distance of features, by hand and against torchmetrics."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

from ganreg.components.metrics import kernel_distance as module
from ganreg.components.metrics.kernel_distance import KernelDistance, kernel_distance


def normal(count: int, width: int, seed: int, shift: float = 0.0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) + shift


def test_of_single_numbers_by_hand():
    real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [2.0]])
    # within the reals: k(0, 1) = 1; within the fakes: k(2, 2) = 125; between: the mean of k(0, 2) = 1 and k(1, 2) = 27
    assert KernelDistance()(real, fake) == pytest.approx(1 + 125 - 2 * 14)


def test_samples_of_one_distribution_are_near_and_their_distance_may_be_below_zero():
    told = [KernelDistance()(normal(500, 4, seed), normal(500, 4, seed + 10)) for seed in range(6)]

    assert max(map(abs, told)) < 0.05
    assert min(told) < 0
    assert KernelDistance()(normal(500, 4, 0), normal(500, 4, 1, shift=1.0)) > 0.5


def test_copies_of_the_reals_themselves_are_below_zero_by_what_the_docs_say():
    real = normal(40, 4, 0).double()
    k = (real @ real.T / 4 + 1) ** 3
    others = (k.sum() - k.trace()) / (40 * 39)
    expected = float(others - k.trace() / 40) / 40

    told = [
        kernel_distance(real, real[torch.randint(40, (200,), generator=torch.Generator().manual_seed(seed))])
        for seed in range(200)
    ]

    assert expected < -0.05
    assert sum(told) / 200 == pytest.approx(expected, rel=0.15)


def test_a_few_rows_at_a_time_are_all_rows(monkeypatch: pytest.MonkeyPatch):
    real, fake = normal(50, 3, 0), normal(41, 3, 1)
    whole = kernel_distance(real, fake)
    monkeypatch.setattr(module, "ROWS", 7)

    assert kernel_distance(real, fake) == pytest.approx(whole, rel=1e-12)


def test_subsets_come_from_their_seed_and_give_the_mean():
    real, fake = normal(300, 3, 0), normal(200, 3, 1, shift=0.5)
    one, same, other = (KernelDistance(subsets=8, subset_size=100, seed=seed)(real, fake) for seed in (0, 0, 1))

    assert one == same != other
    assert KernelDistance(subsets=3, subset_size=200)(real[:200], fake) == pytest.approx(KernelDistance()(real[:200], fake))


def test_a_subset_that_is_larger_than_the_set_is_refused():
    with pytest.raises(ValueError, match="a subset is 1000 samples, there are 300 reals and 200 fakes: lower subset_size"):
        KernelDistance(subsets=1)(normal(300, 3, 0), normal(200, 3, 1))


def test_one_sample_has_no_other():
    with pytest.raises(ValueError, match="expected two reals and two fakes or more, got 1 and 5"):
        KernelDistance()(normal(1, 3, 0), normal(5, 3, 1))


class Itself(nn.Module):
    num_features = 8

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def test_it_agrees_with_torchmetrics():
    pytest.importorskip("torchmetrics", reason="pip install 'ganreg[metrics]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchmetrics.image.kid import KernelInceptionDistance

        real, fake = normal(400, 8, 4), normal(400, 8, 5, shift=0.3)
        theirs = KernelInceptionDistance(feature=Itself(), subsets=1, subset_size=400)
        theirs.set_dtype(torch.float64)
        theirs.update(real.view(-1, 8, 1, 1).double(), real=True)
        theirs.update(fake.view(-1, 8, 1, 1).double(), real=False)
        expected = float(theirs.compute()[0])

    assert KernelDistance()(real, fake) == pytest.approx(expected, rel=1e-4)
    assert KernelDistance(subsets=1, subset_size=400)(real, fake) == pytest.approx(expected, rel=1e-4)
