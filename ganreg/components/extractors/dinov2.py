"""DINOv2: features of a network that learnt from pictures without labels; they agree with people better than Inception's.

The network is built by the code of its authors, from a clone on this machine, and filled with weights from a file; pictures are
made uint8 and brought to 224 pixels as torch-fidelity does it.  A Fréchet distance in these features is told as FD-DINOv2.

Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2023.  https://arxiv.org/abs/2304.07193
Stein et al., "Exposing Flaws of Generative Model Evaluation Metrics", 2023.  https://arxiv.org/abs/2306.04675
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganreg.components.extractors.fidelity import as_uint8, check_images, weights_of
from ganreg.components.extractors.fingerprint import fingerprint_of
from ganreg.contracts import DataSpec
from ganreg.errors import DataError
from ganreg.extras import need

SIZE = 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours, in [0, 1]."""


class DINOv2:
    """384, 768, 1,024 or 1,536 features of the models s, b, l and g.

    Building it runs the code in `repository`: give a clone that you trust.
    """

    resize = "bilinear of TensorFlow 1, to 224x224, from uint8"

    def __init__(
        self,
        spec: DataSpec,
        *,
        weights: Annotated[str, Field(description="file of the weights, from github.com/facebookresearch/dinov2")],
        repository: Annotated[str, Field(description="clone of facebookresearch/dinov2, whose code is run")],
        model: Annotated[Literal["s", "b", "l", "g"], Field(description="size of the network; the literature has l")] = "l",
    ) -> None:
        check_images(spec, of="dinov2")
        need("torch_fidelity", "fidelity", of="extractor 'dinov2'")
        file, self._sha256 = weights_of(weights)
        from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

        self._resized: Any = interpolate_bilinear_2d_like_tensorflow1x
        self._model = model
        self._network = _built(Path(repository).expanduser(), f"dinov2_vit{model}14", file)
        self._mean, self._deviation = (torch.tensor(one).view(1, 3, 1, 1) * 255 for one in (MEAN, DEVIATION))

    @torch.no_grad()
    def __call__(self, samples: Tensor) -> Tensor:
        """Images [N, 1 or 3, H, W] in [-1, 1] -> [N, F]."""
        shades = self._resized(as_uint8(samples).float(), size=(SIZE, SIZE), align_corners=False)
        features: Tensor = self._network((shades - self._mean) / self._deviation)
        return features.float()

    def to(self, device: torch.device) -> DINOv2:
        """Where it computes."""
        self._network.to(device)
        self._mean, self._deviation = self._mean.to(device), self._deviation.to(device)
        return self

    def fingerprint(self) -> str:
        """Of the file of weights, and the model."""
        return fingerprint_of(extractor="dinov2", formula=1, sha256=self._sha256, model=self._model)


def _built(repository: Path, name: str, weights: Path) -> Any:
    try:
        network: Any = torch.hub.load(str(repository), name, source="local", pretrained=False)  # type: ignore[no-untyped-call]
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as error:
        raise DataError(
            f"the network {name} cannot be built: {(str(error).splitlines() or [type(error).__name__])[0]}",
            at=str(repository),
            fix="give a clone of facebookresearch/dinov2, and the weights of this model",
        ) from error
    return network.requires_grad_(False).eval()
