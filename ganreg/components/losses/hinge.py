"""Hinge loss: stop pushing once a logit is on the right side of its margin.

    L_D = E[max(0, m - D(x))] + E[max(0, m + D(G(z)))]        L_G = -E[D(G(z))]

Lim and Ye, "Geometric GAN", 2017.  https://arxiv.org/abs/1705.02894
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganreg.contracts import LossResult
from ganreg.ops.pointwise_loss import pointwise_loss, pointwise_loss_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class Hinge:
    """Margin loss for the discriminator, the plain logit for the generator."""

    margin: Annotated[float, Field(gt=0, description="distance from 0 beyond which a logit costs nothing")] = 1.0

    @property
    def equilibrium(self) -> tuple[float, float]:
        """(2 m, 0): L_D, and the middle of what L_G may be.

        Where fakes cannot be told from reals, max(0, m - t) + max(0, m + t) is 2 m for every logit -m <= t <= m and
        more outside, so L_D = 2 m; L_G = -t is anything from -m to m, and 0 is D's answer without a preference.
        """
        return 2.0 * self.margin, 0.0

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of any equal or unequal shapes -> scalar."""
        return F.relu(self.margin - real_logits).mean() + F.relu(self.margin + fake_logits).mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of any shape -> scalar."""
        return -fake_logits.mean()

    def discriminator_value_and_grad(self, real_logits: Tensor, fake_logits: Tensor, scale: float | Tensor = 1.0) -> LossResult:
        """Value, (grad_real, grad_fake) times `scale`, and statistics, in one pass over the logits."""
        return pointwise_loss_pair(
            real_logits, fake_logits, loss="hinge", real_target=self.margin, fake_target=-self.margin, scale=scale
        )

    def generator_value_and_grad(
        self, fake_logits: Tensor, real_logits: Tensor | None = None, scale: float | Tensor = 1.0
    ) -> LossResult:
        """Value, (grad_fake,) times `scale`, and statistics, in one pass over the logits."""
        return pointwise_loss(fake_logits, loss="linear", target=-1.0, scale=scale)
