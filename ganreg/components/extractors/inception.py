"""The Inception network of 2015, whose 2,048 features make a Fréchet distance the FID.

Through torch-fidelity, which repeats TensorFlow's arithmetic; the weights are a file that is given by its path:
pt_inception-2015-12-05-6726825d.pth of that package's releases.  Pictures are made uint8 and brought to 299 pixels as
TensorFlow 1 does it.

Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2015.  https://arxiv.org/abs/1512.00567
Obukhov et al., torch-fidelity, 2020.  https://github.com/toshas/torch-fidelity
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from ganreg.components.extractors.fidelity import as_uint8, check_images, weights_of
from ganreg.components.extractors.fingerprint import fingerprint_of
from ganreg.contracts import DataSpec
from ganreg.extras import need

STANDARD = "6726825d"
"""How the sha256 of the literature's weights begins."""


class Inception:
    """2,048 features; class logits without bias, as the Inception score has them."""

    resize = "bilinear of TensorFlow 1, to 299x299, from uint8"

    def __init__(
        self,
        spec: DataSpec,
        *,
        weights: Annotated[str, Field(description="file of the weights, from github.com/toshas/torch-fidelity/releases")],
    ) -> None:
        check_images(spec, of="inception")
        need("torch_fidelity", "fidelity", of="extractor 'inception'")
        file, self._sha256 = weights_of(weights)
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        self._network: Any = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(file)
        )
        standard = self._sha256.startswith(STANDARD)
        self.note = "" if standard else "these are not the literature's weights: a distance in these features is no FID"

    @torch.no_grad()
    def __call__(self, samples: Tensor) -> Tensor:
        """Images [N, 1 or 3, H, W] in [-1, 1] -> [N, 2048]."""
        features: Tensor = self._network(as_uint8(samples))[0]
        return features

    @torch.no_grad()
    def class_logits(self, features: Tensor) -> Tensor:
        """[N, 2048] -> [N, 1008]."""
        logits: Tensor = features @ self._network.fc.weight.T.to(features)
        return logits

    def to(self, device: torch.device) -> Inception:
        """Where it computes."""
        self._network.to(device)
        return self

    def fingerprint(self) -> str:
        """Of the file of weights."""
        return fingerprint_of(extractor="inception", formula=1, sha256=self._sha256)
