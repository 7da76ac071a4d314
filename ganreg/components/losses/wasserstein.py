"""Wasserstein loss: a critic's mean height over reals and fakes, an estimate of how far earth must be moved.

    L_D = E[D(G(z))] - E[D(x)]        L_G = -E[D(G(z))]

-L_D bounds the distance from below only while D is Lipschitz: use it with `gradient-penalty`, `dragan`, or weights
clipped to 0.01.  Adding a constant to D changes nothing, so L_G alone has no meaning and no equilibrium.

Arjovsky, Chintala and Bottou, "Wasserstein GAN", 2017.  https://arxiv.org/abs/1701.07875
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ganreg.contracts import LossResult
from ganreg.ops.pointwise_loss import pointwise_loss, pointwise_loss_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class Wasserstein:
    """The difference of mean logits for the discriminator, the plain logit for the generator."""

    equilibrium: ClassVar[None] = None
    """L_D = 0 there, but L_G may be any number: D is defined up to a constant."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of any equal or unequal shapes -> scalar."""
        return fake_logits.mean() - real_logits.mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of any shape -> scalar."""
        return -fake_logits.mean()

    def discriminator_value_and_grad(self, real_logits: Tensor, fake_logits: Tensor, scale: float | Tensor = 1.0) -> LossResult:
        """Value, (grad_real, grad_fake) times `scale`, and statistics, in one pass over the logits."""
        return pointwise_loss_pair(real_logits, fake_logits, loss="linear", real_target=-1.0, fake_target=1.0, scale=scale)

    def generator_value_and_grad(
        self, fake_logits: Tensor, real_logits: Tensor | None = None, scale: float | Tensor = 1.0
    ) -> LossResult:
        """Value, (grad_fake,) times `scale`, and statistics, in one pass over the logits."""
        return pointwise_loss(fake_logits, loss="linear", target=-1.0, scale=scale)
