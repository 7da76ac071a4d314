"""R3GAN's discriminator: its generator turned round, and at the end one look at the smallest map as a whole.

    x -> 1x1 -> [blocks, bilinear 1/2, 1x1] x k -> [blocks] -> 4x4 convolution of each channel -> linear     image side 4 · 2^k

No normalisation, so that each sample is judged by itself.  The blocks and how they start: `nn/r3_block.py`.  Biases stand
inside blocks and at the logit alone.  It trains with `relativistic`, `r1` and `r2`, both of one weight.

Huang, Gokaslan, Kuleshov and Tompkin, "The GAN is dead; long live the GAN! A Modern GAN Baseline", 2024.
https://arxiv.org/abs/2501.05441
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec, DiscriminatorOutput
from ganreg.nn import conditioning as conditions
from ganreg.nn.conditioning import Head, SamplesWithClass
from ganreg.nn.pyramid import pyramid
from ganreg.nn.r3_block import Halve, channels_of_levels, keep_variance_, linear_map, stage


class R3GANDiscriminator(nn.Module):
    """Images [N, C, H, W], H and W such as 8, 28, 32, 48 or 64 -> logits [N]; for `acgan` class logits, too.

    Raises MismatchError for data that are no such images, or that have no labels where `conditioning` needs them, and
    ValueError where `group_channels` does not part the channels inside a block.
    """

    per_sample = True

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Annotated[int, Field(ge=1, description="channels of the largest map, doubled per map after")] = 64,
        max_channels: Annotated[int, Field(ge=1, description="no map has more channels")] = 512,
        blocks: Annotated[int, Field(ge=1, description="residual blocks of each map")] = 2,
        group_channels: Annotated[int, Field(ge=1, description="channels in a group of the 3x3 convolutions")] = 16,
        conditioning: Annotated[conditions.ForDiscriminator, Field(description="how it is told the class")] = "none",
    ) -> None:
        super().__init__()
        base = pyramid(spec, at="discriminator r3gan")
        num_classes = conditions.classes(spec, conditioning, at="discriminator r3gan")
        channels = channels_of_levels(base.doublings, width, max_channels)[::-1]
        self.concat = SamplesWithClass(spec, num_classes) if conditioning == "concat" else None
        inputs = self.concat.out_features if self.concat is not None else spec.shape[0]
        num_blocks = blocks * len(channels)
        layers: list[nn.Module] = [linear_map(inputs, channels[0])]
        for before, after in zip([channels[0], *channels], channels, strict=False):
            if len(layers) > 1:
                layers.append(Halve(before, after))
            layers.append(stage(after, blocks=blocks, group_channels=group_channels, num_blocks=num_blocks))
        look = nn.Conv2d(channels[-1], channels[-1], (base.height, base.width), groups=channels[-1], bias=False)
        keep_variance_(look.weight)
        self.layers = nn.Sequential(*layers, look, nn.Flatten())
        self.head = Head(channels[-1], num_classes, conditioning)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor | DiscriminatorOutput:
        """Images [N, C, H, W] and, for `concat` and `projection`, labels [N] -> logits [N]."""
        features: Tensor = self.layers(x if self.concat is None else self.concat(x, labels))
        answer: Tensor | DiscriminatorOutput = self.head(features, labels)
        return answer
