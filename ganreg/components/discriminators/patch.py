"""PatchGAN: a logit for every patch of the image, since texture is judged up close and a small network sees enough for it.

    x -> [4x4 convolution, stride 2, norm (not on the first), LeakyReLU 0.2] x layers
      -> [4x4 convolution, norm, LeakyReLU 0.2] -> 4x4 convolution        one logit per 2^layers pixels each way, less 2

A logit sees patches of 16, 34, 70, 142 and 286 pixels for 1 to 5 layers; each doubles the channels, to 8 times `width` at
most: C64-C128-C256-C512 for 3.  The paper's norm is that of the batch.

Isola, Zhu, Zhou and Efros, "Image-to-Image Translation with Conditional Adversarial Networks", 2016.
https://arxiv.org/abs/1611.07004
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError
from ganreg.nn import conditioning as conditions
from ganreg.nn import init
from ganreg.nn.conditioning import SamplesWithClass

SLOPE = 0.2
MOST = 8
"""Times `width`, and no map has more channels."""

Norm = Literal["none", "batch", "instance"]


class PatchDiscriminator(nn.Module):
    """Images [N, C, H, W], both sides at least 3 · 2^layers -> logits [N, h, w], one for each patch.

    Each sample is judged by itself unless the norm is that of the batch.  Raises MismatchError for data that are no such
    images, or that have no labels where `conditioning` needs them.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        layers: Annotated[int, Field(ge=1, description="convolutions that halve the map; 3: patches of 70 pixels")] = 3,
        width: Annotated[int, Field(ge=1, description="channels of the first map, doubled per map after")] = 64,
        norm: Annotated[Norm, Field(description="normalisation of all maps but the first and the logits")] = "batch",
        conditioning: Annotated[Literal["none", "concat"], Field(description="how it is told the class")] = "none",
    ) -> None:
        super().__init__()
        check(spec, layers)
        num_classes = conditions.classes(spec, conditioning, at="discriminator patch")
        self.per_sample = norm != "batch"
        self.concat = SamplesWithClass(spec, num_classes) if conditioning == "concat" else None
        inputs = self.concat.out_features if self.concat is not None else spec.shape[0]
        channels = [min(width << level, MOST * width) for level in range(layers + 1)]
        maps: list[nn.Module] = []
        for level, (before, after) in enumerate(zip([inputs, *channels], channels, strict=False)):
            normal = normalised(after, "none" if level == 0 else norm)
            # No bias where a norm follows: it would subtract the bias again.
            maps.append(nn.Conv2d(before, after, 4, stride=2 if level < layers else 1, padding=1, bias=not normal))
            maps += [*normal, nn.LeakyReLU(SLOPE, inplace=True)]
        self.layers = nn.Sequential(*maps, nn.Conv2d(channels[-1], 1, 4, padding=1))
        init.dcgan_(self)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images [N, C, H, W] and, for `concat`, labels [N] -> logits [N, h, w]."""
        logits: Tensor = self.layers(x if self.concat is None else self.concat(x, labels))
        return logits.squeeze(1)


def normalised(channels: int, norm: Norm) -> list[nn.Module]:
    """The norm after a convolution, if any."""
    if norm == "none":
        return []
    return [nn.BatchNorm2d(channels) if norm == "batch" else nn.InstanceNorm2d(channels, affine=True)]


def check(spec: DataSpec, layers: int) -> None:
    """Raises MismatchError where not one patch fits: halved `layers` times, two more are lost."""
    if not spec.is_image:
        raise MismatchError(
            f"expected images [C, H, W], got samples of shape {list(spec.shape)}",
            at="discriminator patch",
            fix="use the networks 'mlp', which take samples of any shape",
        )
    smallest, least = min(spec.shape[1:]), 3 << layers
    if smallest < least:
        fitting = max(1, (smallest // 3).bit_length() - 1)
        raise MismatchError(
            f"expected images of at least {least}x{least} for {layers} layers, got {list(spec.shape)}",
            at="discriminator patch",
            fix=f"set its layers to {fitting}" if smallest >= 6 else "resize the images to 24x24 or more",
        )
