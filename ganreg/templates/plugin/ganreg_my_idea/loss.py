"""Two methods that give one number each; ganreg takes the gradients from autograd.

L_D = t E[sp(-D(x) / t)] + t E[sp(D(G(z)) / t)]      L_G = t E[sp(-D(G(z)) / t)]      sp(x) = log(1 + exp(x))
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Cross-entropy of logits that are divided by a temperature."""

    temperature: Annotated[float, Field(gt=0, description="1 is plain cross-entropy, more is softer")] = 1.0

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of any shape -> one number, to be made small."""
        return self._mean(-real_logits) + self._mean(fake_logits)

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of any shape -> one number, to be made small."""
        return self._mean(-fake_logits)

    def _mean(self, x: Tensor) -> Tensor:
        return self.temperature * softplus(x / self.temperature).mean()
