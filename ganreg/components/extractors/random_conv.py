"""Random convolutions: features of a small network that learnt nothing, for pictures of which no trained one knows anything.

    three convolutions 3x3, stride 2, ReLU, He's initialisation from a seed
    features: each map's mean, of the last ones the means of quarters

Alike or unlike they tell; which of two unlike pictures people prefer they do not know.  Naeem et al. found such embeddings to
be usable where trained ones are biased.

Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", 2020.  https://arxiv.org/abs/2002.09797
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ganreg.components.extractors.fingerprint import fingerprint_of
from ganreg.components.extractors.resize import FILTER, resized
from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError

WIDTHS = (16, 32, 64)
LARGEST = 64  # pixels


class RandomConv(nn.Module):
    """304 features of a picture; larger ones than 64 pixels are made smaller first."""

    note = "the features are of random weights: they tell alike from unlike, not good from bad"

    def __init__(
        self, spec: DataSpec, *, seed: Annotated[int, Field(ge=0, lt=2**63, description="of the weights")] = 0
    ) -> None:
        super().__init__()
        if not spec.is_image:
            raise MismatchError(
                f"random convolutions are for pictures [C, H, W], the data have shape {list(spec.shape)}",
                at="extractor random-conv",
                fix="--extractor pixels",
            )
        channels, height, width = spec.shape
        scale = min(1.0, LARGEST / max(height, width))
        self._size = (max(1, round(height * scale)), max(1, round(width * scale)))
        self.resize = f"{FILTER}, to {self._size[0]}x{self._size[1]}" if scale < 1 else "none"
        rng = torch.Generator().manual_seed(seed)
        for number, (inner, outer) in enumerate(zip((channels, *WIDTHS), WIDTHS, strict=False)):
            drawn = torch.randn(outer, inner, 3, 3, generator=rng) * math.sqrt(2.0 / (9 * inner))
            self.register_buffer(f"weight{number}", drawn)

    @torch.no_grad()
    def forward(self, samples: Tensor) -> Tensor:
        """Images [N, C, H, W] -> [N, 304]."""
        maps = resized(samples.float(), *self._size)
        found = []
        for number in range(len(WIDTHS)):
            maps = F.relu(F.conv2d(maps, self.get_buffer(f"weight{number}"), stride=2, padding=1))
            found.append(F.adaptive_avg_pool2d(maps, 2 if number == len(WIDTHS) - 1 else 1).flatten(1))
        return torch.cat(found, 1)

    def fingerprint(self) -> str:
        """Of the weights and the size."""
        return fingerprint_of(dict(self.named_buffers()), extractor="random-conv", formula=1, resize=self.resize)
