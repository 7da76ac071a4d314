"""Least squares: a logit is judged by its distance from its label, so that a fake far beyond the border still pulls.

    L_D = ½ E[(D(x) - 1)²] + ½ E[D(G(z))²]        L_G = ½ E[(D(G(z)) - 1)²]

The paper's labels a = 0, b = c = 1 (its equation 9).  Here 0 is a fake and ½ the border: D(x) = sigma(logit) and the
accuracies among the statistics, which put the border at 0, read this loss with a bias towards real.

Mao et al., "Least Squares Generative Adversarial Networks", 2016.  https://arxiv.org/abs/1611.04076
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ganreg.contracts import LossResult
from ganreg.ops.pointwise_loss import pointwise_loss, pointwise_loss_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class LeastSquares:
    """Half the mean squared distance of logits from 1 (real) and 0 (fake)."""

    equilibrium: ClassVar[tuple[float, float]] = (1.0 / 4.0, 1.0 / 8.0)
    """Where fakes cannot be told from reals the best logit is ½: ½ ¼ + ½ ¼ for D, ½ ¼ for G."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of any equal or unequal shapes -> scalar."""
        return 0.5 * (real_logits - 1.0).square().mean() + 0.5 * fake_logits.square().mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of any shape -> scalar."""
        return 0.5 * (fake_logits - 1.0).square().mean()

    def discriminator_value_and_grad(self, real_logits: Tensor, fake_logits: Tensor, scale: float | Tensor = 1.0) -> LossResult:
        """Value, (grad_real, grad_fake) times `scale`, and statistics, in one pass over the logits."""
        return pointwise_loss_pair(
            real_logits, fake_logits, loss="least-squares", real_target=1.0, fake_target=0.0, scale=scale
        )

    def generator_value_and_grad(
        self, fake_logits: Tensor, real_logits: Tensor | None = None, scale: float | Tensor = 1.0
    ) -> LossResult:
        """Value, (grad_fake,) times `scale`, and statistics, in one pass over the logits."""
        return pointwise_loss(fake_logits, loss="least-squares", target=1.0, scale=scale)
