"""The measures that the results are told in, by hand."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def measures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measures_of_benchmarks", ROOT / "benchmarks" / "measures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


MEANS = torch.tensor([[0.0, 0.0], [10.0, 0.0]])


def test_a_mode_is_found_by_a_sample_within_three_sigma_of_it(measures: ModuleType):
    samples = torch.tensor([[0.2, 0.0], [0.0, 0.29], [0.0, 0.31], [9.0, 0.0]])

    told = measures.of_points(samples, MEANS, sigma=0.1)

    assert told["modes"] == 1
    assert told["share"] == 0.5
    assert told["reverse_kl"] == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))  # 3 and 1 of the nearest


def test_equal_shares_diverge_by_nothing_and_one_mode_by_the_logarithm_of_all(measures: ModuleType):
    assert measures.divergence(torch.tensor([5.0, 5.0, 5.0])) == pytest.approx(0.0, abs=1e-12)
    assert measures.divergence(torch.tensor([0.0, 9.0, 0.0])) == pytest.approx(math.log(3))


def test_the_kernel_distance_of_single_numbers_by_hand(measures: ModuleType):
    real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [2.0]])
    # within the reals: k(0, 1) = 1; within the fakes: k(2, 2) = 125; between: the mean of k(0, 2) = 1 and k(1, 2) = 27
    assert measures.kernel_distance(real, fake) == pytest.approx(1 + 125 - 2 * 14)


def test_samples_of_one_distribution_are_near_and_its_distance_may_be_below_zero(measures: ModuleType):
    rng = torch.Generator().manual_seed(0)
    a, b = (torch.randn(500, 4, generator=rng) for _ in range(2))

    assert abs(measures.kernel_distance(a, b)) < 0.05
    assert measures.kernel_distance(a, b + 1.0) > 0.5


def test_what_lies_among_the_reals_is_precise_and_what_lies_on_one_of_them_recalls_little(measures: ModuleType):
    real = torch.arange(20.0)[:, None]  # the third neighbour is 2 or 3 away
    fake = torch.tensor([[5.0], [5.1], [5.2], [5.3], [50.0]])

    precision, recall = measures.precision_and_recall(real, fake)

    assert precision == 0.8
    assert recall == 0.75  # 5 by itself; 6 to 19 by the one far away, whose reach is wide: a known weakness
    assert measures.precision_and_recall(real, fake[:4])[1] == 0.05  # 5 alone
