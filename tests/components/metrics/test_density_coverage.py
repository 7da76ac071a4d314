"""Density and coverage, by hand and by brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganreg.components.metrics.density_coverage import DensityCoverage


def by_brute_force(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[float, float]:
    """The paper's formula, one pair after the other."""
    radii = [sorted(float(np.linalg.norm(a - b)) for b in real)[k] for a in real]
    inside = [[np.linalg.norm(x - y) <= radius for y in fake] for x, radius in zip(real, radii, strict=True)]
    return sum(map(sum, inside)) / (k * len(fake)), sum(map(any, inside)) / len(real)


def test_numbers_in_a_row_by_hand():
    real, fake = torch.arange(4.0)[:, None], torch.tensor([[0.0], [9.0]])
    # k = 1: every ball reaches 1 far; 0 lies in those of 0 and 1, 9 in none; balls of 0 and 1 hold a fake
    assert DensityCoverage(k=1)(real, fake) == {"density": 1.0, "coverage": 0.5}


@pytest.mark.parametrize("k", [1, 5])
def test_it_is_the_formula_of_the_paper(k: int):
    rng = torch.Generator().manual_seed(k)
    real, fake = torch.randn(60, 4, generator=rng), torch.randn(45, 4, generator=rng) * 1.2 + 0.3
    told = DensityCoverage(k=k)(real, fake)

    assert (told["density"], told["coverage"]) == pytest.approx(by_brute_force(real.double().numpy(), fake.double().numpy(), k))
    assert 0 < told["coverage"] < 1


def test_one_outlier_among_the_fakes_moves_neither_as_it_moves_recall():
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(300, 3, generator=rng), torch.randn(300, 3, generator=rng) * 0.2
    far = torch.cat([fake[1:], torch.full((1, 3), 50.0)])
    one, other = DensityCoverage()(real, fake), DensityCoverage()(real, far)

    assert other["coverage"] == pytest.approx(one["coverage"], abs=0.02)
    assert other["density"] == pytest.approx(one["density"], rel=0.02)


def test_fakes_that_crowd_where_reals_do_have_a_density_above_1():
    real = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))

    assert DensityCoverage()(real, real[:1].expand(50, -1) * 0)["density"] > 1
