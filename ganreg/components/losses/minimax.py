"""Minimax loss: the zero-sum game of the original GAN, whose generator stalls when the discriminator is sure.

    L_D = E[sp(-D(x))] + E[sp(D(G(z)))]        L_G = -E[sp(D(G(z)))]        sp(t) = log(1 + e^t)

G's gradient -s(D(G(z))) vanishes where D rejects a fake, that is where G has most to learn; `bce` is the cure.  For
teaching and comparison.

Goodfellow et al., "Generative Adversarial Networks", 2014, equation 1.  https://arxiv.org/abs/1406.2661
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ganreg.components.losses.softplus import softplus
from ganreg.contracts import LossResult
from ganreg.ops.pointwise_loss import pointwise_loss, pointwise_loss_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class Minimax:
    """Cross-entropy for the discriminator, its negative for the generator."""

    equilibrium: ClassVar[tuple[float, float]] = (2.0 * math.log(2.0), -math.log(2.0))
    """Where fakes cannot be told from reals D(x) = 1/2, a logit of 0, and sp(0) = ln 2."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of any equal or unequal shapes -> scalar."""
        return softplus(-real_logits).mean() + softplus(fake_logits).mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of any shape -> scalar."""
        return -softplus(fake_logits).mean()

    def discriminator_value_and_grad(self, real_logits: Tensor, fake_logits: Tensor, scale: float | Tensor = 1.0) -> LossResult:
        """Value, (grad_real, grad_fake) times `scale`, and statistics, in one pass over the logits."""
        return pointwise_loss_pair(real_logits, fake_logits, scale=scale)

    def generator_value_and_grad(
        self, fake_logits: Tensor, real_logits: Tensor | None = None, scale: float | Tensor = 1.0
    ) -> LossResult:
        """Value, (grad_fake,) times `scale`, and statistics, in one pass over the logits."""
        return pointwise_loss(fake_logits, loss="minimax", target=0.0, scale=scale)
