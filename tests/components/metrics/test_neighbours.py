"""Neighbours among features, against all pairs in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganreg.components.metrics import neighbours
from ganreg.components.metrics.neighbours import balls, nearest, reach


def drawn(count: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def distances(one: torch.Tensor, other: torch.Tensor) -> np.ndarray:
    first, second = one.double().numpy(), other.double().numpy()
    return np.sqrt(((first[:, None] - second[None]) ** 2).sum(-1))


@pytest.mark.parametrize("chunk", [1, 900, 1 << 25])
@pytest.mark.parametrize("width", [3, 300])
def test_reach_nearest_and_balls_are_those_of_all_pairs(monkeypatch: pytest.MonkeyPatch, chunk: int, width: int):
    monkeypatch.setattr(neighbours, "CHUNK_BYTES", chunk)
    points, members = drawn(23, width, 0), drawn(31, width, 1)
    among, between = distances(members, members), distances(points, members)
    radius = np.sort(among, axis=1)[:, 4]
    inside = between <= radius

    assert reach(members, 4).numpy() == pytest.approx(radius)
    assert nearest(points, members).numpy() == pytest.approx(between.min(1))
    counts, holds = balls(points, members, reach(members, 4))
    assert counts.tolist() == inside.sum(1).tolist()
    assert holds.tolist() == inside.any(0).tolist()


def test_a_twin_is_a_neighbour_at_no_distance():
    members = torch.tensor([[0.0], [0.0], [5.0]])

    assert reach(members, 1).tolist() == [0.0, 0.0, 5.0]
    assert nearest(torch.tensor([[5.0]]), members).tolist() == [0.0]


def test_too_few_have_no_such_neighbour():
    with pytest.raises(ValueError, match="expected more than 3 samples, so that each has 3 others, got 3"):
        reach(drawn(3, 2, 0), 3)
