"""Precision and recall, by hand and by brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ganreg.components.metrics.precision_recall import PrecisionRecall


def by_brute_force(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[float, float]:
    """The paper's formula, one pair after the other."""

    def share(points: np.ndarray, members: np.ndarray) -> float:
        within = 0
        radii = [sorted(float(np.linalg.norm(a - b)) for b in members)[k] for a in members]
        for point in points:
            within += any(np.linalg.norm(point - member) <= radius for member, radius in zip(members, radii, strict=True))
        return within / len(points)

    return share(fake, real), share(real, fake)


def test_what_lies_among_the_reals_is_precise_and_what_lies_on_one_of_them_recalls_little():
    real = torch.arange(20.0)[:, None]  # the third neighbour is 2 or 3 away
    fake = torch.tensor([[5.0], [5.1], [5.2], [5.3], [50.0]])
    told = PrecisionRecall()(real, fake)

    assert told["precision"] == 0.8
    assert told["recall"] == 0.75  # 5 by itself; 6 to 19 by the one far away, whose reach is wide: a known weakness
    assert PrecisionRecall()(real, fake[:4])["recall"] == 0.05  # 5 alone


@pytest.mark.parametrize("k", [1, 3, 5])
def test_it_is_the_formula_of_the_paper(k: int):
    rng = torch.Generator().manual_seed(k)
    real, fake = torch.randn(60, 4, generator=rng), torch.randn(45, 4, generator=rng) * 1.5 + 1.0
    told = PrecisionRecall(k=k)(real, fake)

    assert (told["precision"], told["recall"]) == by_brute_force(real.double().numpy(), fake.double().numpy(), k)
    assert 0 < told["precision"] < 1


def test_a_set_beside_itself_is_all_precise_and_recalled():
    one: Tensor = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))

    assert PrecisionRecall()(one, one) == {"precision": 1.0, "recall": 1.0}


def test_no_more_than_k_samples_are_refused():
    with pytest.raises(ValueError, match="expected more than 3 samples"):
        PrecisionRecall()(torch.randn(9, 2), torch.randn(3, 2))
