"""Focal loss: cross-entropy weighted by how wrong the discriminator still is.

    L_D = E[(1 - p)^gamma · -log p],   p = sigma(D(x)) for reals and sigma(-D(G(z))) for fakes

Lin et al., "Focal Loss for Dense Object Detection", 2017.  https://arxiv.org/abs/1708.02002
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn.functional import logsigmoid


@dataclass(frozen=True, kw_only=True)
class Focal:
    """Cross-entropy on what is still wrong; gamma 0 is plain cross-entropy."""

    gamma: Annotated[float, Field(ge=0, description="how fast what is right stops counting")] = 2.0

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return self._term(real_logits) + self._term(-fake_logits)

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return self._term(fake_logits)

    def _term(self, logits: Tensor) -> Tensor:
        return ((-logits).sigmoid() ** self.gamma * -logsigmoid(logits)).mean()
