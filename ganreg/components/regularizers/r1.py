"""R1: D's slope on the data, squared, so that D is flat where it is right and the game can come to rest.

    g/2 E ||grad_x D(x)||^2        x: reals

Applied lazily, every `interval` steps with `interval` times its weight (Karras et al., 2019, https://arxiv.org/abs/1912.04958).
A first guess for the weight g of images is 2e-4 resolution^2 / batch size (Karras et al., 2020, https://arxiv.org/abs/2006.06676).

Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do actually Converge?", 2018.
https://arxiv.org/abs/1801.04406
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from ganreg.components.regularizers.input_gradient import at, input_gradient
from ganreg.contracts import PenaltyContext, Schedule


@dataclass(frozen=True, kw_only=True, slots=True)
class R1:
    """Half the mean squared norm of D's gradient on reals."""

    network: ClassVar[Literal["discriminator"]] = "discriminator"

    weight: Annotated[float, Field(gt=0, description="g: 0.01 for 32 pixels, 1 for 256, up to 10 for 1024")] | Schedule = 0.01
    interval: Annotated[int, Field(ge=1, description="steps from one penalty to the next")] = 16
    own_step: Annotated[bool, Field(description="an optimizer step of its own, StyleGAN2's way")] = False

    def penalty(self, context: PenaltyContext) -> Tensor:
        """The batch's reals [N, ...] -> scalar."""
        slope = input_gradient(context, context.real, context.labels)
        return 0.5 * at(self.weight, context.images) * slope.square().flatten(1).sum(1).mean()
