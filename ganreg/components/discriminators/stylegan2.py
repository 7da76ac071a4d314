"""StyleGAN2's discriminator: residual blocks that halve the image through a filter, and the batch's variety at the end.

    x -> 1x1 -> [(3x3, filter, 3x3 of stride 2) + (filter, every second, 1x1), over sqrt(2)] x k
      -> minibatch stddev -> 3x3 -> linear -> linear

Each convolution but the 1x1 of the shortcut has a bias and LeakyReLU with a gain of sqrt(2), and all weights an equalized
learning rate.  `plain` leaves the shortcuts out, as for CIFAR-10 (Karras et al., 2020).  Its logits depend on the whole batch
unless `stddev_group` is 0.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2019.  https://arxiv.org/abs/1912.04958
Karras et al., "Training Generative Adversarial Networks with Limited Data", 2020.  https://arxiv.org/abs/2006.06676
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec, DiscriminatorOutput
from ganreg.nn import conditioning as conditions
from ganreg.nn.conditioning import Head, SamplesWithClass
from ganreg.nn.equalized import EqualizedConv2d, EqualizedLinear, equalized, leaky_relu
from ganreg.nn.minibatch_stddev import MinibatchStddev
from ganreg.nn.pyramid import pyramid
from ganreg.nn.resample import Downsample, Smooth


class Block(nn.Module):
    """[N, before, H, W] -> [N, after, H / 2, W / 2]."""

    def __init__(self, before: int, after: int, *, residual: bool) -> None:
        super().__init__()
        self.first = EqualizedConv2d(before, before, 3, padding=1)
        self.smooth = Smooth(padding=2)
        self.second = EqualizedConv2d(before, after, 3, stride=2)
        self.shortcut = nn.Sequential(Downsample(), EqualizedConv2d(before, after, 1, bias=False)) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        """[N, before, H, W] -> [N, after, H / 2, W / 2]."""
        out = leaky_relu(self.second(self.smooth(leaky_relu(self.first(x)))))
        return out if self.shortcut is None else (out + self.shortcut(x)) * math.sqrt(0.5)


class StyleGAN2Discriminator(nn.Module):
    """Images [N, C, H, W], H and W such as 8, 28, 32, 48 or 64 -> logits [N]; for `acgan` class logits, too.

    Raises MismatchError for data that are no such images, or that have no labels where `conditioning` needs them.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Annotated[int, Field(ge=1, description="channels of the largest map, doubled per map after")] = 64,
        max_channels: Annotated[int, Field(ge=1, description="channels that no map has more than")] = 512,
        architecture: Annotated[
            Literal["residual", "plain"], Field(description="whether blocks have shortcuts; plain for 32 pixels")
        ] = "residual",
        stddev_group: Annotated[
            int, Field(ge=0, description="samples whose variety is seen together; 0: none; 32 for 32 pixels")
        ] = 4,
        conditioning: Annotated[conditions.ForDiscriminator, Field(description="how it is told the class")] = "none",
    ) -> None:
        super().__init__()
        base = pyramid(spec, at="discriminator stylegan2")
        num_classes = conditions.classes(spec, conditioning, at="discriminator stylegan2")
        self.per_sample = stddev_group == 0
        self.concat = SamplesWithClass(spec, num_classes) if conditioning == "concat" else None
        inputs = self.concat.out_features if self.concat is not None else spec.shape[0]
        channels = [min(width << level, max_channels) for level in range(base.doublings + 1)]
        residual = architecture == "residual"
        self.from_image = EqualizedConv2d(inputs, channels[0], 1)
        self.blocks = nn.Sequential(*(Block(before, after, residual=residual) for before, after in pairwise(channels)))
        self.stddev = MinibatchStddev(stddev_group) if stddev_group else None
        last = channels[-1]
        self.convolution = EqualizedConv2d(last + (self.stddev is not None), last, 3, padding=1)
        self.linear = EqualizedLinear(last * base.size, last)
        self.head = Head(last, num_classes, conditioning, wrap=equalized)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor | DiscriminatorOutput:
        """Images [N, C, H, W] and, for `concat` and `projection`, labels [N] -> logits [N]."""
        x = x if self.concat is None else self.concat(x, labels)
        x = self.blocks(leaky_relu(self.from_image(x)))
        x = x if self.stddev is None else self.stddev(x)
        features = leaky_relu(self.linear(leaky_relu(self.convolution(x)).flatten(1)))
        answer: Tensor | DiscriminatorOutput = self.head(features, labels)
        return answer
