"""A penalty on one network, every `interval`-th step, weighted by `interval`.

weight E[D(x)² + D(G(z))²]: keeps logits near 0
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Regularizer:
    """Holds the discriminator's logits near zero."""

    network: ClassVar[str] = "discriminator"

    weight: Annotated[float, Field(ge=0, description="of the penalty")] = 0.001
    interval: Annotated[int, Field(ge=1, description="steps between two penalties")] = 1

    def penalty(self, context) -> Tensor:
        """What a penalty may look at is in `ganreg.contracts.PenaltyContext` -> one number."""
        real = context.judge(context.real, context.labels).logits
        fake = context.judge(context.fake, context.fake_labels).logits
        return self.weight * (real.square().mean() + fake.square().mean())
