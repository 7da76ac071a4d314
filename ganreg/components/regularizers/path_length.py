"""Path length: a step in w changes the image equally much, wherever w is and whichever way the step goes.

    w E (||J_w^T y|| - a)^2        J_w = dG(w)/dw, y ~ N(0, I) / sqrt(H W), a: the running mean of the lengths

A matrix that keeps lengths is one that turns and scales: G becomes easy to invert and its latents smooth.  The mean starts
as that of the first batch (its past is weighed by how much of it there is), so no length is pulled towards 0; the paper does
not say where it starts.  Half of the batch is enough.  The CIFAR-10 setting of 2020 leaves this penalty out.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2019.  https://arxiv.org/abs/1912.04958
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganreg.components.regularizers.input_gradient import at
from ganreg.contracts import PenaltyContext, Schedule
from ganreg.nn.equalized import wide
from ganreg.nn.ranks import mean_over_ranks

DECAY = 0.01
"""Share of the newest lengths in their mean."""


@dataclass(kw_only=True, slots=True)
class PathLength:
    """The mean squared distance of path lengths from their running mean, for a generator with `mapping` and `synthesis`."""

    network: ClassVar[Literal["generator"]] = "generator"
    requires: ClassVar[tuple[str, ...]] = ("style",)

    weight: Annotated[float, Field(gt=0, description="of the squared distance from the mean length")] | Schedule = 2.0
    interval: Annotated[int, Field(ge=1, description="steps from one penalty to the next; paper: 8")] = 4
    own_step: Annotated[bool, Field(description="an optimizer step of its own, the paper's way")] = False

    total: Tensor = field(init=False, repr=False, default_factory=lambda: torch.zeros(()))
    share: Tensor = field(init=False, repr=False, default_factory=lambda: torch.zeros(()))

    def penalty(self, context: PenaltyContext) -> Tensor:
        """The first half of the batch's latents [N, latent_dim] -> scalar."""
        lengths = self._lengths(context)
        self._remember(lengths.mean())
        return at(self.weight, context.images) * (lengths - self.mean).square().mean()

    @property
    def mean(self) -> Tensor:
        """a, 0-dim: 0 before the first lengths."""
        return self.total / self.share.clamp(min=DECAY)

    def state_dict(self) -> dict[str, Tensor]:
        """The running mean: the lengths' weighted sum, and its weights' sum."""
        return {"total": self.total, "share": self.share}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` held."""
        self.total, self.share = state["total"].clone(), state["share"].clone()

    def _lengths(self, context: PenaltyContext) -> Tensor:
        """||J_w^T y|| of each sample [n]: one w for all layers, hence the sum over them."""
        count = math.ceil(len(context.latents) / 2)
        labels = context.fake_labels[:count] if context.fake_labels is not None else None
        generator: Any = context.generator
        w: Tensor = generator.mapping(context.latents[:count], labels)
        samples: Tensor = generator.synthesis(w)
        y = torch.randn(samples.shape, generator=context.rng, device=samples.device, dtype=samples.dtype)
        seen = (samples * y).sum() / math.sqrt(samples.shape[2:].numel())
        (slope,) = torch.autograd.grad(seen, w, create_graph=True)
        lengths: Tensor = torch.linalg.vector_norm(wide(slope).sum(1), dim=1)
        return lengths

    @torch.no_grad()
    def _remember(self, length: Tensor) -> None:
        """Into the mean goes what all ranks measured, unless it is not finite on one of them."""
        length = mean_over_ranks(length)
        good = length.isfinite()
        total, share = self.total.to(length.device), self.share.to(length.device)
        self.total = torch.where(good, total.lerp(length, DECAY), total)
        self.share = torch.where(good, share.lerp(torch.ones_like(share), DECAY), share)
