"""The sample's own numbers: of a picture its pixels, of a point its coordinates.  What is near here looks alike pixel by pixel.

For points this is all there is to know.  For pictures a shift by one pixel is far and a blur is near, which people see the
other way round: the distance between two pictures is that of the mean squared error.  The weakness of pixels as features is
shown in Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018.
https://arxiv.org/abs/1801.03924
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from ganreg.components.extractors.fingerprint import fingerprint_of
from ganreg.components.extractors.resize import FILTER, resized
from ganreg.contracts import DataSpec


class Pixels:
    """Pictures larger than `resolution` are made smaller first, so that features stay few enough to compare."""

    def __init__(
        self,
        spec: DataSpec,
        *,
        resolution: Annotated[int, Field(ge=1, le=256, description="largest height and width of a picture")] = 32,
    ) -> None:
        self.shape = tuple(spec.shape)
        if spec.is_image:
            channels, height, width = spec.shape
            scale = min(1.0, resolution / max(height, width))
            self.shape = (channels, max(1, round(height * scale)), max(1, round(width * scale)))
        shrinks = self.shape != tuple(spec.shape)
        self.resize = f"{FILTER}, to {self.shape[1]}x{self.shape[2]}" if shrinks else "none"
        self.note = "distances of pixels see a shift and hardly a blur" if spec.is_image else ""

    def __call__(self, samples: Tensor) -> Tensor:
        """Samples [N, *spec.shape] -> [N, F]."""
        if samples.dim() == 4:
            samples = resized(samples, *self.shape[1:])
        return samples.flatten(1).float()

    def fingerprint(self) -> str:
        """Of the size they are brought to."""
        return fingerprint_of(extractor="pixels", formula=1, shape=self.shape, resize=self.resize)
