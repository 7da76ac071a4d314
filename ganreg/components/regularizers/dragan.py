"""DRAGAN: a slope of 1 around the data, where D would else grow the sharp edges at which G's gradients end in one mode.

    w E (||grad_x D(x + d)|| - 1)^2        d = s std(x) u, u ~ U(0, 1) for each number, x: reals

The paper's d is normal; this is the choice that became common.  std(x) is that of all numbers of the batch.  A penalty for
each sample needs a D that judges each sample by itself, without batch norm.

Kodali, Abernethy, Hays and Kira, "On Convergence and Stability of GANs", 2017.  https://arxiv.org/abs/1705.07215
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
class DRAGAN:
    """The mean squared distance of D's slope from 1, near reals."""

    network: ClassVar[Literal["discriminator"]] = "discriminator"

    weight: Annotated[float, Field(gt=0, description="of the squared distance from 1")] | Schedule = 10.0
    reach: Annotated[float, Field(gt=0, description="s: the noise's reach, in standard deviations of the batch")] = 0.5
    interval: Annotated[int, Field(ge=1, description="steps from one penalty to the next")] = 1

    def penalty(self, context: PenaltyContext) -> Tensor:
        """The batch's reals [N, ...] -> scalar."""
        expect_no_batch_norm(context.discriminator, "dragan")
        real = context.real
        noise = torch.rand(real.shape, generator=context.rng, device=real.device, dtype=real.dtype)
        near = real + self.reach * real.std(correction=0) * noise
        length: Tensor = torch.linalg.vector_norm(input_gradient(context, near, context.labels).flatten(1), dim=1)
        return at(self.weight, context.images) * (length - 1.0).square().mean()
