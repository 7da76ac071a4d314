"""Memorisation: fresh samples, copies, near copies and rubbish are told apart."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganreg.components.metrics.memorization import Memorization


def normal(count: int, seed: int) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))


def test_numbers_in_a_row_by_hand():
    real, fake = torch.tensor([[0.0], [2.0], [4.0], [6.0]]), torch.tensor([[0.5], [2.5], [9.0]])

    assert Memorization()(real, fake) == {"memorization": 0.25, "copies": pytest.approx(2 / 3)}


def test_fresh_samples_of_the_same_distribution_are_about_as_far_as_reals_from_each_other():
    told = Memorization()(normal(1000, 0), normal(1000, 1))

    assert told["memorization"] == pytest.approx(1.0, abs=0.05)
    assert told["copies"] < 0.03


def test_copies_are_found_exact_or_nearly_so():
    real = normal(500, 0)
    exact, nearly = Memorization()(real, real[:100]), Memorization()(real, real[:100] + 1e-3 * normal(100, 1))

    assert exact == {"memorization": 0.0, "copies": 1.0}
    assert nearly["copies"] == 1.0
    assert nearly["memorization"] < 0.01


def test_a_few_copies_among_fresh_samples_show_in_their_share():
    real, fresh = normal(500, 0), normal(500, 1)

    assert Memorization()(real, torch.cat([fresh[:450], real[:50]]))["copies"] == pytest.approx(0.1, abs=0.03)


def test_rubbish_is_far_which_is_no_praise():
    told = Memorization()(normal(300, 0), normal(300, 1) + 50)

    assert told["memorization"] > 10
    assert told["copies"] == 0.0


def test_data_full_of_twins_say_nothing():
    with pytest.raises(ValueError, match="more than half of the reals are there twice"):
        Memorization()(torch.zeros(10, 2), normal(5, 0)[:, :2])
