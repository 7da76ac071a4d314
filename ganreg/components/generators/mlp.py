"""A fully connected generator, the one of the first GAN paper: any shape of sample, quick on points.

    z -> [linear, LeakyReLU 0.2] x len(hidden) -> linear -> tanh for data with a range, nothing for points

Goodfellow et al., "Generative adversarial nets", 2014.  https://arxiv.org/abs/1406.2661
He et al., "Delving deep into rectifiers", 2015, for `init="he"`.  https://arxiv.org/abs/1502.01852
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec
from ganreg.nn import conditioning as conditions
from ganreg.nn.conditioning import LatentsWithClass
from ganreg.nn.init import he_
from ganreg.nn.output import output_function

SLOPE = 0.2


class MLPGenerator(nn.Module):
    """Latents [N, latent_dim] -> samples [N, *spec.shape] in the spec's range.

    Raises MismatchError for data without labels where `conditioning` needs them.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        latent_dim: Annotated[int, Field(ge=1, description="numbers in one latent vector")] = 64,
        hidden: Annotated[
            tuple[Annotated[int, Field(ge=1)], ...], Field(description="widths of the hidden layers, first to last")
        ] = (256, 512),
        conditioning: Annotated[Literal["none", "concat"], Field(description="how it is told the class")] = "none",
        init: Annotated[
            Literal["torch", "he"], Field(description="first weights; he: keep a signal's size through many layers")
        ] = "torch",
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        num_classes = conditions.classes(spec, conditioning, at="generator mlp")
        self.concat = LatentsWithClass(latent_dim, num_classes) if num_classes else None
        inputs = self.concat.out_features if self.concat is not None else latent_dim
        layers: list[nn.Module] = []
        for before, after in zip([inputs, *hidden], hidden, strict=False):
            layers += [nn.Linear(before, after), nn.LeakyReLU(SLOPE, inplace=True)]
        self.layers = nn.Sequential(
            *layers,
            nn.Linear([inputs, *hidden][-1], spec.size),
            nn.Unflatten(1, spec.shape),
            output_function(spec.value_range),
        )
        if init == "he":
            he_(self, SLOPE)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents [N, latent_dim] and, for `concat`, labels [N] -> samples [N, *spec.shape]."""
        samples: Tensor = self.layers(z if self.concat is None else self.concat(z, labels))
        return samples
