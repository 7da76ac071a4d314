"""Huber loss: least squares near the label, absolute distance beyond `width`.

    L_D = E[h(D(x) - 1)] + E[h(D(G(z)))]      L_G = E[h(D(G(z)) - 1)]      h(d) = |d| <= w ? d² / 2 : w (|d| - w / 2)

Mao et al., "Least Squares Generative Adversarial Networks", 2017.  https://arxiv.org/abs/1611.04076
Huber, "Robust Estimation of a Location Parameter", 1964.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn.functional import huber_loss

import ganreg


def formula(x: Tensor, label: Tensor, width: float) -> tuple[Tensor, Tensor]:
    """The twin of huber.h: loss and derivative of each logit."""
    d = x - label
    pull = d.clamp(-width, width)
    return pull.abs() * (d.abs() - 0.5 * pull.abs()), pull


FUSED = ganreg.FusedLoss("huber", struct="Huber", functor=Path(__file__).with_name("huber.h"), formula=formula)


@dataclass(frozen=True, kw_only=True)
class Huber:
    """Least squares that outliers do not pull; logits of any shape."""

    width: Annotated[float, Field(gt=0, description="distance from the label beyond which the pull stops growing")] = 1.0

    @property
    def equilibrium(self) -> tuple[float, float]:
        """(L_D, L_G) where fakes cannot be told from reals: D says 1/2, or what pulls as hard to both sides."""
        distance = min(0.5, self.width)
        one = distance * (0.5 - 0.5 * distance)
        return 2.0 * one, one

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return self._to(real_logits, 1.0) + self._to(fake_logits, 0.0)

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return self._to(fake_logits, 1.0)

    def discriminator_value_and_grad(self, real_logits, fake_logits, scale=1.0):
        return FUSED.pair(real_logits, fake_logits, real_target=1.0, fake_target=0.0, parameter=self.width, scale=scale)

    def generator_value_and_grad(self, fake_logits, real_logits=None, scale=1.0):
        return FUSED.single(fake_logits, target=1.0, parameter=self.width, scale=scale)

    def _to(self, logits: Tensor, label: float) -> Tensor:
        return huber_loss(logits, logits.new_full(logits.shape, label), delta=self.width)
