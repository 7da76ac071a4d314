"""A fully connected discriminator, the one of the first GAN paper: any shape of sample, quick on points.

    x -> flat -> [linear, LeakyReLU 0.2] x len(hidden) -> linear -> logit

Goodfellow et al., "Generative adversarial nets", 2014.  https://arxiv.org/abs/1406.2661
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec

SLOPE = 0.2


class MLPDiscriminator(nn.Module):
    """Samples [N, *spec.shape] -> logits [N]; labels are ignored."""

    per_sample = True

    def __init__(
        self,
        spec: DataSpec,
        *,
        hidden: Annotated[
            tuple[Annotated[int, Field(ge=1)], ...], Field(description="widths of the hidden layers, first to last")
        ] = (512, 256),
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in zip([spec.size, *hidden], hidden, strict=False):
            layers += [nn.Linear(before, after), nn.LeakyReLU(SLOPE, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Linear([spec.size, *hidden][-1], 1))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples [N, *spec.shape] -> logits [N]."""
        logits: Tensor = self.layers(x)
        return logits.flatten()
