"""Nearest neighbours among features, in float64, a few rows of the distances at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

CHUNK_BYTES = 32 << 20
EXACT_UP_TO = 256
"""Features up to which a distance is a sum of squared differences, exact where it is 0; beyond, a product of matrices."""


def reach(members: Tensor, k: int) -> Tensor:
    """Features [M, F] -> each one's distance to its k-th neighbour among the others [M].  Raises ValueError for M <= k."""
    if len(members) <= k:
        raise ValueError(f"expected more than {k} samples, so that each has {k} others, got {len(members)}")
    found = []
    for first, distances in _rows(members, members):
        own = torch.arange(len(distances))
        distances[own, first + own] = -1.0  # itself, before any twin
        found.append(distances.kthvalue(k + 1, dim=1).values)
    return torch.cat(found)


def nearest(points: Tensor, members: Tensor) -> Tensor:
    """Points [N, F], members [M, F] -> each point's distance to the nearest member [N]."""
    return torch.cat([distances.amin(1) for _, distances in _rows(points, members)])


def balls(points: Tensor, members: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """Balls of `radius` [M] around the members -> in how many each point lies [N], and whether each holds a point [M]."""
    counts = []
    holds = torch.zeros(len(members), dtype=torch.bool)
    for _, distances in _rows(points, members):
        inside = distances <= radius
        counts.append(inside.sum(1))
        holds |= inside.any(0)
    return torch.cat(counts), holds


def _rows(points: Tensor, members: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Distances of a chunk of points to all members, with the number of the chunk's first point."""
    points, members = points.double(), members.double()
    exact = members.shape[1] <= EXACT_UP_TO
    mode = "donot_use_mm_for_euclid_dist" if exact else "use_mm_for_euclid_dist"
    size = max(1, CHUNK_BYTES // (8 * max(len(members), 1)))
    for first in range(0, len(points), size):
        yield first, torch.cdist(points[first : first + size], members, compute_mode=mode)
