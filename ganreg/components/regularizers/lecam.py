"""LeCam: each side's logits are held near what the other side's have been lately, so that D cannot grow sure of little data.

    w (E (D(x) - a_F)^2 + E (D(G(z)) - a_R)^2)        a_R, a_F: running means of real and fake logits

With `clip` only logits on the far side of the other mean cost, E max(0, D(x) - a_F)^2 + E max(0, a_R - D(G(z)))^2: a real
judged worse than fakes were, or a fake judged better than reals were, is not what the penalty is against.  The paper has no
clip; much later code does.

Tseng, Jiang, Liu, Yang and Yang, "Regularizing Generative Adversarial Networks under Limited Data", 2021.
https://arxiv.org/abs/2104.03310
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganreg.components.regularizers.input_gradient import at
from ganreg.contracts import PenaltyContext, Schedule
from ganreg.nn.ranks import mean_over_ranks


@dataclass(kw_only=True, slots=True, eq=False)
class LeCam:
    """The mean squared distance of logits from the running mean of the other side; the means are saved with the run."""

    network: ClassVar[Literal["discriminator"]] = "discriminator"
    interval: ClassVar[int] = 1
    shares_forward: ClassVar[bool] = True

    weight: Annotated[float, Field(gt=0, description="of the squared distances")] | Schedule = 0.3
    decay: Annotated[float, Field(ge=0, lt=1, description="share of the running means kept at each update of D")] = 0.99
    start_step: Annotated[int, Field(ge=0, description="before it only the means run")] = 1000
    clip: Annotated[bool, Field(description="leave out logits on the near side of the other mean")] = False
    _means: Tensor = field(init=False, repr=False, default_factory=lambda: torch.zeros(2))  # of real, of fake logits

    def penalty(self, context: PenaltyContext) -> Tensor:
        """Logits of the batch, any shape -> scalar; then the means take them in."""
        assert context.real_output is not None
        assert context.fake_output is not None
        real, fake = context.real_output.logits, context.fake_output.logits
        self._means = self._means.to(real.device)
        if context.step < self.start_step:
            value = torch.zeros((), device=real.device, requires_grad=True)  # a root that leads nowhere
        else:
            above, below = real - self._means[1], self._means[0] - fake
            if self.clip:
                above, below = F.relu(above), F.relu(below)
            value = at(self.weight, context.images) * (above.square().mean() + below.square().mean())
        self._remember(real, fake)
        return value

    def _remember(self, real: Tensor, fake: Tensor) -> None:
        """A value that is not finite leaves a mean as it was, and nothing is read back from the device."""
        seen = mean_over_ranks(torch.stack([real.mean(), fake.mean()]).float())
        means = self._means.lerp(seen, 1.0 - self.decay)
        self._means = torch.where(means.isfinite(), means, self._means)

    def state_dict(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {"means": self._means.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` held."""
        self._means = state["means"].clone()
