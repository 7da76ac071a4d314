"""Relativistic pairing: a real has to look more real than the fake beside it, so that no mode of the data can be left out.

    L_D = E[sp(-(D(x) - D(G(z))))]        L_G = E[sp(-(D(G(z)) - D(x)))]        sp(t) = log(1 + e^t)

The i-th real is paired with the i-th fake.  Converges where D's slope is penalised on both sides: with `r1` and `r2`
(Huang et al., "The GAN is dead; long live the GAN!", 2024, https://arxiv.org/abs/2501.05441).

Jolicoeur-Martineau, "The relativistic discriminator: a key element missing from standard GAN", 2018.
https://arxiv.org/abs/1807.00734
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ganreg.components.losses.softplus import SIXTEEN_BITS, softplus
from ganreg.contracts import LossResult
from ganreg.ops.pointwise_loss import paired_loss


@dataclass(frozen=True, kw_only=True, slots=True)
class Relativistic:
    """Softplus of the difference of a pair, its value and gradient from one fused pass; no settings.

    Raises ValueError for logits of unequal shapes, and in G's step without those of reals.
    """

    needs_real_in_generator_step: ClassVar[bool] = True

    equilibrium: ClassVar[tuple[float, float]] = (math.log(2.0), math.log(2.0))
    """Where fakes cannot be told from reals the best difference is 0: sp(0) on each side."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of one shape -> scalar."""
        return softplus(_difference(fake_logits, real_logits)).mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of one shape -> scalar."""
        return softplus(-_difference(fake_logits, _known(real_logits))).mean()

    def discriminator_value_and_grad(self, real_logits: Tensor, fake_logits: Tensor, scale: float | Tensor = 1.0) -> LossResult:
        """Value, (grad_real, grad_fake) times `scale`, and statistics, in one pass over the logits."""
        return paired_loss(real_logits, fake_logits, target=1.0, scale=scale)

    def generator_value_and_grad(
        self, fake_logits: Tensor, real_logits: Tensor | None = None, scale: float | Tensor = 1.0
    ) -> LossResult:
        """Value, (grad_fake,) times `scale`, and statistics of both sides, in one pass over the logits."""
        value, (_, grad_fake), statistics = paired_loss(_known(real_logits), fake_logits, target=0.0, scale=scale)
        return LossResult(value, (grad_fake,), statistics)


def _known(real_logits: Tensor | None) -> Tensor:
    if real_logits is None:
        raise ValueError("expected real logits beside the fake ones, got none: a fake is judged against its real")
    return real_logits


def _difference(fake_logits: Tensor, real_logits: Tensor) -> Tensor:
    """Fake - real, pair by pair; 16-bit logits in float32, as the kernels do."""
    if real_logits.shape != fake_logits.shape:
        raise ValueError(
            f"expected real and fake logits of one shape, got {list(real_logits.shape)} and {list(fake_logits.shape)}"
        )
    fake, real = (one.float() if one.dtype in SIXTEEN_BITS else one for one in (fake_logits, real_logits))
    return fake - real
