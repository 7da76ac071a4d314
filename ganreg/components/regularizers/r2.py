"""R2: D's slope on the fakes, squared: what R1 is on the data, so that D is flat on both sides where the game comes to rest.

    g/2 E ||grad_x D(x)||^2        x: fakes

With `r1` of the same weight and interval it makes `relativistic` converge, where R1 alone does not (Huang et al., 2024,
https://arxiv.org/abs/2501.05441, which applies both at every step).

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
class R2:
    """Half the mean squared norm of D's gradient on fakes."""

    network: ClassVar[Literal["discriminator"]] = "discriminator"

    weight: Annotated[float, Field(gt=0, description="g: as that of r1")] | Schedule = 0.01
    interval: Annotated[int, Field(ge=1, description="steps from one penalty to the next")] = 1

    def penalty(self, context: PenaltyContext) -> Tensor:
        """The batch's fakes [N, ...] -> scalar; nothing of it reaches G."""
        slope = input_gradient(context, context.fake, context.fake_labels)
        return 0.5 * at(self.weight, context.images) * slope.square().flatten(1).sum(1).mean()
