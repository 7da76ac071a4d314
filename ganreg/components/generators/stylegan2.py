"""StyleGAN2's generator: latents become a style w, and w says at every layer how strong each feature is.

    z -> norm -> m linear layers -> w        constant -> modulated convolution -> [up, modulated convolution x 2] x k
    `skip`: each level's map makes an image, and the upsampled images are summed
    `residual`: each level adds to what came in, 1x1 and upsampled, over sqrt(2); the last map makes the image

After a convolution come noise of learned strength, bias and LeakyReLU (`nn/modulated.py`).  While training, with probability
`style_mixing`, an image's layers from a random one on take the w of other latents (Karras et al., 2018).  `truncated` draws
w towards its mean.  For `concat` an embedding of the class stands beside z, both normalised (Karras et al., 2020).

Not from the papers: a tanh keeps images in the range of the data, and w's mean runs with a decay of 0.998.
Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2019.  https://arxiv.org/abs/1912.04958
Karras et al., "A Style-Based Generator Architecture for GANs", 2018.  https://arxiv.org/abs/1812.04948
Karras et al., "Training Generative Adversarial Networks with Limited Data", 2020.  https://arxiv.org/abs/2006.06676
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec
from ganreg.nn import conditioning as conditions
from ganreg.nn.equalized import EqualizedConv2d, EqualizedLinear, leaky_relu, wide
from ganreg.nn.modulated import ModulatedConv2d, StyledConv2d
from ganreg.nn.output import output_function
from ganreg.nn.pyramid import Pyramid, pyramid
from ganreg.nn.resample import Upsample

Architecture = Literal["skip", "residual"]

DECAY = 0.998
"""Of the mean of w in each training forward; the papers take the mean over all z, once G is trained."""

EPSILON = 1e-8


def normalised(x: Tensor) -> Tensor:
    """[N, L] -> the same direction, with mean square 1; in float32."""
    x = wide(x)
    return x * (x.square().mean(1, keepdim=True) + EPSILON).rsqrt()


class Mapping(nn.Module):
    """Latents [N, latent_dim] and labels [N] -> w [N, num_layers, style_dim], the same for every layer of the synthesis."""

    def __init__(
        self, latent_dim: int, style_dim: int, num_classes: int, num_layers: int, depth: int, lr_multiplier: float
    ) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.embedding = nn.Embedding(num_classes, latent_dim) if num_classes else None
        inputs = 2 * latent_dim if num_classes else latent_dim
        sizes = pairwise([inputs, *[style_dim] * depth])
        self.layers = nn.ModuleList(EqualizedLinear(*pair, lr_multiplier=lr_multiplier) for pair in sizes)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """[N, latent_dim], [N] -> [N, num_layers, style_dim]."""
        w = normalised(z)
        if self.embedding is not None:
            w = torch.cat([w, normalised(self.embedding(conditions.needed(labels)))], dim=1)
        for layer in self.layers:
            w = leaky_relu(layer(w))
        return w[:, None].expand(-1, self.num_layers, -1)


class Level(nn.Module):
    """A map [N, before, H, W] and two w [N, style_dim] -> [N, after, 2 H, 2 W], height and width those of the latter."""

    def __init__(
        self, before: int, after: int, style_dim: int, height: int, width: int, *, noise: bool, residual: bool
    ) -> None:
        super().__init__()
        self.first = StyledConv2d(before, after, style_dim, height, width, up=True, noise=noise)
        self.second = StyledConv2d(after, after, style_dim, height, width, noise=noise)
        # 1x1 before upsampling: the same numbers, a quarter of the work.
        self.shortcut = nn.Sequential(EqualizedConv2d(before, after, 1, bias=False), Upsample()) if residual else None

    def forward(self, x: Tensor, w_first: Tensor, w_second: Tensor) -> Tensor:
        """[N, before, H, W], [N, style_dim] twice -> [N, after, 2 H, 2 W]."""
        out: Tensor = self.second(self.first(x, w_first), w_second)
        return out if self.shortcut is None else (out + self.shortcut(x)) * math.sqrt(0.5)


class Synthesis(nn.Module):
    """w [N, num_layers, style_dim] -> images [N, C, H, W]; one w for each convolution, the last of a level for its image."""

    def __init__(
        self, spec: DataSpec, base: Pyramid, channels: list[int], style_dim: int, architecture: Architecture, noise: bool
    ) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(1, channels[0], base.height, base.width))
        self.first = StyledConv2d(channels[0], channels[0], style_dim, base.height, base.width, noise=noise)
        residual = architecture == "residual"
        self.levels = nn.ModuleList(
            Level(before, after, style_dim, base.height << level, base.width << level, noise=noise, residual=residual)
            for level, (before, after) in enumerate(pairwise(channels), start=1)
        )
        # Not demodulated: how much contrast an image has is for the style to say.
        self.to_image = nn.ModuleList(
            ModulatedConv2d(before, spec.shape[0], 1, style_dim, demodulate=False)
            for before in (channels[-1:] if residual else channels)
        )
        self.bias = nn.Parameter(torch.zeros(spec.shape[0], 1, 1))
        self.upsample = None if residual else Upsample()
        self.output = output_function(spec.value_range)

    def forward(self, w: Tensor) -> Tensor:
        """[N, num_layers, style_dim] -> [N, C, H, W]."""
        x = self.first(self.constant.expand(w.shape[0], -1, -1, -1), w[:, 0])
        image = self.to_image[0](x, w[:, 0]) if self.upsample is not None else None
        for number, level in enumerate(self.levels, start=1):
            x = level(x, w[:, 2 * number - 1], w[:, 2 * number])
            if self.upsample is not None:
                image = self.upsample(image) + self.to_image[number](x, w[:, 2 * number])
        if image is None:
            image = self.to_image[0](x, w[:, -1])
        out: Tensor = self.output(image + self.bias.to(image.dtype))
        return out


class StyleGAN2Generator(nn.Module):
    """Latents [N, latent_dim] -> images [N, C, H, W] in the spec's range, H and W such as 8, 28, 32, 48 or 64.

    Raises MismatchError for data that are no such images, or that have no labels where `conditioning` needs them.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        latent_dim: Annotated[int, Field(ge=1, description="numbers in one latent vector")] = 512,
        style_dim: Annotated[int, Field(ge=1, description="numbers in one w")] = 512,
        mapping_layers: Annotated[int, Field(ge=1, description="linear layers from z to w; 2 for 32 pixels")] = 8,
        mapping_lr_multiplier: Annotated[float, Field(gt=0, description="learning rate of these, times")] = 0.01,
        width: Annotated[int, Field(ge=1, description="channels of the largest map, doubled per map before")] = 64,
        max_channels: Annotated[int, Field(ge=1, description="channels that no map has more than")] = 512,
        architecture: Annotated[Architecture, Field(description="how levels become one image")] = "skip",
        noise: Annotated[bool, Field(description="noise of learned strength after each convolution")] = True,
        style_mixing: Annotated[float, Field(ge=0, le=1, description="share of images of two styles in training")] = 0.9,
        conditioning: Annotated[Literal["none", "concat"], Field(description="how it is told the class")] = "none",
    ) -> None:
        super().__init__()
        base = pyramid(spec, at="generator stylegan2")
        num_classes = conditions.classes(spec, conditioning, at="generator stylegan2")
        channels = [min(width << level, max_channels) for level in reversed(range(base.doublings + 1))]
        self.latent_dim = latent_dim
        self.style_mixing = style_mixing
        self.num_layers = 2 * base.doublings + 1
        self.mapping = Mapping(latent_dim, style_dim, num_classes, self.num_layers, mapping_layers, mapping_lr_multiplier)
        self.synthesis = Synthesis(spec, base, channels, style_dim, architecture, noise)
        self.register_buffer("w_avg", torch.zeros(style_dim))
        self.w_avg: Tensor

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents [N, latent_dim] and, for a class-conditional one, labels [N] -> images [N, C, H, W]."""
        w: Tensor = self.mapping(z, labels)
        if self.training:
            with torch.no_grad():
                self.w_avg.lerp_(w[:, 0].to(self.w_avg.dtype).mean(0), 1.0 - DECAY)
            if self.style_mixing > 0:
                w = self._mixed(w, self.mapping(torch.randn_like(z), labels))
        images: Tensor = self.synthesis(w)
        return images

    def truncated(self, z: Tensor, labels: Tensor | None = None, *, psi: float = 0.7) -> Tensor:
        """Images of w_avg + psi (w - w_avg): 1 is G itself, less gives up variety for quality, 0 is the mean image."""
        w: Tensor = self.mapping(z, labels)
        images: Tensor = self.synthesis(torch.lerp(self.w_avg.to(w.dtype), w, psi))
        return images

    def _mixed(self, w: Tensor, other: Tensor) -> Tensor:
        """w [N, num_layers, style_dim] twice -> some of both: each image's layers from its crossover on are of the other."""
        each = (w.shape[0], 1, 1)
        crossover = torch.randint(1, self.num_layers, each, device=w.device)
        mixes = torch.rand(each, device=w.device) < self.style_mixing
        layer = torch.arange(self.num_layers, device=w.device)[:, None]
        return torch.where(mixes & (layer >= crossover), other, w)
