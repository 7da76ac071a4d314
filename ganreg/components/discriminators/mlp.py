"""A fully connected discriminator, the one of the first GAN paper: any shape of sample, quick on points.

    x -> flat -> [linear, LeakyReLU 0.2] x len(hidden) -> linear -> logit

Goodfellow et al., "Generative adversarial nets", 2014.  https://arxiv.org/abs/1406.2661
He et al., "Delving deep into rectifiers", 2015, for `init="he"`.  https://arxiv.org/abs/1502.01852
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec, DiscriminatorOutput
from ganreg.nn import conditioning as conditions
from ganreg.nn.conditioning import Head, SamplesWithClass
from ganreg.nn.init import he_

SLOPE = 0.2


class MLPDiscriminator(nn.Module):
    """Samples [N, *spec.shape] -> logits [N]; for `acgan` class logits, too.

    Raises MismatchError for data without labels where `conditioning` needs them.
    """

    per_sample = True

    def __init__(
        self,
        spec: DataSpec,
        *,
        hidden: Annotated[
            tuple[Annotated[int, Field(ge=1)], ...], Field(description="widths of the hidden layers, first to last")
        ] = (512, 256),
        conditioning: Annotated[conditions.ForDiscriminator, Field(description="how it is told the class")] = "none",
        init: Annotated[
            Literal["torch", "he"], Field(description="first weights; he: keep a signal's size through many layers")
        ] = "torch",
    ) -> None:
        super().__init__()
        num_classes = conditions.classes(spec, conditioning, at="discriminator mlp")
        self.concat = SamplesWithClass(spec, num_classes, flat=True) if conditioning == "concat" else None
        inputs = self.concat.out_features if self.concat is not None else spec.size
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in zip([inputs, *hidden], hidden, strict=False):
            layers += [nn.Linear(before, after), nn.LeakyReLU(SLOPE, inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.head = Head([inputs, *hidden][-1], num_classes, conditioning)
        if init == "he":
            he_(self, SLOPE)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor | DiscriminatorOutput:
        """Samples [N, *spec.shape] and, for `concat` and `projection`, labels [N] -> logits [N]."""
        features: Tensor = self.layers(x if self.concat is None else self.concat(x, labels))
        answer: Tensor | DiscriminatorOutput = self.head(features, labels)
        return answer
