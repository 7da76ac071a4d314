"""Gradient penalty: a slope of 1 between data and fakes, which makes D a critic that measures a distance.

    w E (||grad_x D(x)|| - 1)^2        x = a real + (1 - a) fake, a ~ U(0, 1) for each pair

Made for `wasserstein`, with five steps of D for one of G and no batch norm in D (a penalty for each sample needs a D that
judges each sample by itself).

Gulrajani et al., "Improved Training of Wasserstein GANs", 2017.  https://arxiv.org/abs/1704.00028
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganreg.components.regularizers.input_gradient import at, expect_no_batch_norm, input_gradient
from ganreg.contracts import PenaltyContext, Schedule


@dataclass(frozen=True, kw_only=True, slots=True)
class GradientPenalty:
    """The mean squared distance of D's slope from 1, on lines between reals and fakes."""

    network: ClassVar[Literal["discriminator"]] = "discriminator"

    weight: Annotated[float, Field(gt=0, description="of the squared distance from 1")] | Schedule = 10.0
    interval: Annotated[int, Field(ge=1, description="steps from one penalty to the next")] = 1

    def penalty(self, context: PenaltyContext) -> Tensor:
        """Reals and fakes [N, ...], as many -> scalar."""
        expect_no_batch_norm(context.discriminator, "gradient-penalty")
        real, fake = context.real, context.fake.detach()
        one_each = (len(real), *[1] * (real.dim() - 1))
        mix = torch.rand(one_each, generator=context.rng, device=real.device, dtype=real.dtype)
        slope = input_gradient(context, torch.lerp(fake, real, mix), context.labels)
        length: Tensor = torch.linalg.vector_norm(slope.flatten(1), dim=1)
        return at(self.weight, context.images) * (length - 1.0).square().mean()
