"""The last function of a generator: what keeps its samples in the range of the data."""

from __future__ import annotations

from torch import Tensor, nn


class Bounded(nn.Module):
    """Tanh, stretched to the open interval (low, high).  Any shape."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.centre = (low + high) / 2
        self.reach = (high - low) / 2

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return self.centre + self.reach * x.tanh()


def output_function(value_range: tuple[float, float] | None) -> nn.Module:
    """A spec's `value_range` -> tanh for (-1, 1), tanh stretched for any other range, nothing for None (unbounded)."""
    if value_range is None:
        return nn.Identity()
    if value_range == (-1.0, 1.0):
        return nn.Tanh()
    return Bounded(*value_range)
