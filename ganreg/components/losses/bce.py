"""Binary cross-entropy on logits, non-saturating: the original GAN in the form that is trained.

    L_D = E[ce(D(x), r)] + E[ce(D(G(z)), f)]        L_G = E[ce(D(G(z)), r)]
    ce(t, y) = -y log s(t) - (1 - y) log(1 - s(t)) = y sp(-t) + (1 - y) sp(t)

with sp(t) = log(1 + e^t).  With r = 1 and f = 0 that is E[sp(-D(x))] + E[sp(D(G(z)))] and E[sp(-D(G(z)))].  Label
smoothing moves r below 1 ("one-sided": Salimans et al., 2016, https://arxiv.org/abs/1606.03498) or f above 0.

Goodfellow et al., "Generative Adversarial Networks", 2014, section 3.  https://arxiv.org/abs/1406.2661
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor

from ganreg.components.losses.softplus import softplus
from ganreg.contracts import LossResult
from ganreg.errors import SettingsError
from ganreg.ops.pointwise_loss import pointwise_loss, pointwise_loss_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class BCE:
    """Cross-entropy against the labels of real and fake, its value and gradient from one fused pass.

    Raises SettingsError unless `fake_label` is below `real_label`: with equal labels there is nothing to learn, and
    exchanged ones would turn D(x), the accuracies and the sign that augmentation steers by upside down.
    """

    real_label: Annotated[float, Field(ge=0, le=1, description="target for reals, and for fakes in G's step")] = 1.0
    fake_label: Annotated[float, Field(ge=0, le=1, description="target for fakes in D's step")] = 0.0

    def __post_init__(self) -> None:
        if not self.fake_label < self.real_label:
            raise SettingsError(
                f"fake_label must be below real_label, got {self.fake_label:g} and {self.real_label:g}",
                at="loss 'bce'",
                fix="smooth with a real_label of 0.9 and a fake_label of 0",
            )

    @property
    def equilibrium(self) -> tuple[float, float]:
        """(L_D, L_G) where fakes cannot be told from reals; (2 ln 2, ln 2) without smoothing.

        There D sees each sample as often real as fake, so the best D(x) is the mean label m = (r + f) / 2.  With
        H(y, m) the cross-entropy of label y at probability m, L_D = H(r, m) + H(f, m) = 2 H(m, m) and L_G = H(r, m).
        """
        middle = (self.real_label + self.fake_label) / 2.0
        return 2.0 * _cross_entropy(middle, middle), _cross_entropy(self.real_label, middle)

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of any equal or unequal shapes -> scalar."""
        return _bce(real_logits, self.real_label) + _bce(fake_logits, self.fake_label)

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of any shape -> scalar; the target is the real label."""
        return _bce(fake_logits, self.real_label)

    def discriminator_value_and_grad(self, real_logits: Tensor, fake_logits: Tensor, scale: float | Tensor = 1.0) -> LossResult:
        """Value, (grad_real, grad_fake) times `scale`, and statistics, in one pass over the logits."""
        return pointwise_loss_pair(
            real_logits, fake_logits, real_target=self.real_label, fake_target=self.fake_label, scale=scale
        )

    def generator_value_and_grad(
        self, fake_logits: Tensor, real_logits: Tensor | None = None, scale: float | Tensor = 1.0
    ) -> LossResult:
        """Value, (grad_fake,) times `scale`, and statistics, in one pass over the logits."""
        return pointwise_loss(fake_logits, target=self.real_label, scale=scale)


def _bce(logits: Tensor, label: float) -> Tensor:
    if label == 1.0:  # not 1 sp(-t) + 0 sp(t), which is nan at infinity
        return softplus(-logits).mean()
    if label == 0.0:
        return softplus(logits).mean()
    return (label * softplus(-logits) + (1.0 - label) * softplus(logits)).mean()


def _cross_entropy(label: float, probability: float) -> float:
    """-y log p - (1 - y) log(1 - p), 0 < p < 1."""
    return -label * math.log(probability) - (1.0 - label) * math.log1p(-probability)
