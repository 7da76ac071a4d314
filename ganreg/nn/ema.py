"""Exponential moving average of a generator's weights, by half-life in images.

    θ_ema = b θ_ema + (1 - b) θ,   b = 0.5^(batch / half-life),   half-life <= ramp · images seen

Yazıcı et al., "The Unusual Effectiveness of Averaging in GAN Training", 2018.  https://arxiv.org/abs/1806.04498
The ramp lets a young average follow: early weights are forgotten at the pace at which images are seen.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from ganreg.nn.ema_settings import EMASettings as EMASettings


class EMA:
    """Keeps `module`, the averaged copy of a network, in eval mode."""

    def __init__(self, network: nn.Module, settings: EMASettings) -> None:
        self.settings = settings
        self.module = deepcopy(network).eval().requires_grad_(False)
        pairs = [pair for pair in zip(_tensors(self.module), _tensors(network), strict=True) if pair[0].numel()]
        self._complex = [pair for pair in pairs if pair[0].is_complex()]
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        self._averaged, self._current = [pair[0] for pair in floats], [pair[1] for pair in floats]

    @torch.no_grad()
    def update(self, *, batch_size: int, images: int, closed: Tensor) -> None:
        """Move towards the network; `closed` (0-dim, 1.0 after a refused update) leaves the average as it is, bit for bit."""
        share = 1.0 - self.settings.decay(batch_size, images)
        open_share = torch.rsub(closed, share, alpha=share)  # share - share · closed
        if self._averaged:  # one pass: a third of the time on a CPU, or less
            torch._foreach_lerp_(self._averaged, self._current, [open_share] * len(self._averaged))
        for averaged, current in self._complex:
            averaged.lerp_(current, open_share)


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
