"""Latents [N, latent_dim] -> samples [N, *spec.shape].

The typed keyword parameters are the part's settings: `--generator.latent-dim 32`.
"""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganreg import DataSpec


class Generator(nn.Module):
    """A perceptron of two hidden layers; samples in [-1, 1] where the data are."""

    def __init__(
        self,
        spec: DataSpec,
        *,
        latent_dim: Annotated[int, Field(ge=1, description="numbers in a latent")] = 64,
        hidden: Annotated[int, Field(ge=1, description="units of a hidden layer")] = 256,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.shape = spec.shape
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, spec.size),
            nn.Identity() if spec.value_range is None else nn.Tanh(),
        )

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents [N, latent_dim] -> samples [N, *shape]."""
        return self.layers(z).view(-1, *self.shape)
