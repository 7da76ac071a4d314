"""Samples [N, *spec.shape] -> logits [N, 1], never probabilities."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganreg import DataSpec


class Discriminator(nn.Module):
    """A perceptron of two hidden layers."""

    def __init__(
        self, spec: DataSpec, *, hidden: Annotated[int, Field(ge=1, description="units of a hidden layer")] = 256
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(spec.size, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, 1),
        )

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples [N, *shape] -> logits [N, 1]."""
        return self.layers(x)
