"""Modes among known Gaussians, by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

import ganreg
from ganreg.components.metrics.mode_coverage import ModeCoverage, divergence

MEANS = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
NONE = torch.zeros(0, 2)


def prepared() -> ModeCoverage:
    metric = ModeCoverage()
    metric.prepare(SimpleNamespace(means=MEANS, sigma=0.1))
    return metric


def test_a_mode_is_found_by_a_sample_within_three_sigma_of_it():
    told = prepared()(NONE, torch.tensor([[0.2, 0.0], [0.0, 0.29], [0.0, 0.31], [9.0, 0.0]]))

    assert told["modes"] == 1
    assert told["share-within-3-sigma"] == 0.5
    assert told["reverse-kl"] == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))  # 3 and 1 of the nearest


def test_equal_shares_diverge_by_nothing_and_one_mode_by_the_logarithm_of_all():
    assert divergence(torch.tensor([5.0, 5.0, 5.0])) == pytest.approx(0.0, abs=1e-12)
    assert divergence(torch.tensor([0.0, 9.0, 0.0])) == pytest.approx(math.log(3))


@pytest.mark.parametrize(("layout", "modes"), [("ring", 8), ("grid", 25)])
def test_the_data_themselves_have_all_modes(layout: str, modes: int):
    data = ganreg.create("dataset", "gaussians", layout=layout)
    metric = ModeCoverage()
    metric.prepare(data)
    told = metric(NONE, data.tensors[0])

    assert told["modes"] == modes
    assert told["share-within-3-sigma"] == pytest.approx(1 - math.exp(-4.5), abs=0.003)  # of a Gaussian in the plane
    assert told["reverse-kl"] == pytest.approx(0.0, abs=1e-3)


def test_data_without_known_modes_are_refused():
    with pytest.raises(ValueError, match="the data have no known modes"):
        ModeCoverage().prepare(ganreg.create("dataset", "digits"))
    with pytest.raises(ValueError, match=r"prepare\(dataset\) comes first"):
        ModeCoverage()(NONE, MEANS)
