"""A small classifier of handwritten digits: 64 features in which digits that read alike are near.

Trained by `benchmarks/train_digits_cnn.py` on two thirds of the packaged digits; it reads 99.2 % of the others right.
Digits of any size are brought to 16 pixels; of several channels, each is read by itself.  Its distances are no FID.

The data: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", 1998, CC BY 4.0.  https://doi.org/10.24432/C50P49
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from ganreg.components.extractors.fingerprint import fingerprint_of
from ganreg.components.extractors.resize import FILTER, resized
from ganreg.contracts import DataSpec
from ganreg.errors import DataError, MismatchError

FILE = Path(__file__).with_name("digits_cnn.safetensors")
SHA256 = "1b6110df7210bf7a824b5d4376e085b737954a75355e18300337bff6843376c4"
FEATURES, CLASSES, SIZE = 64, 10, 16


class Reader(nn.Module):
    """Digits [N, 1, 16, 16] in [-1, 1] -> class logits [N, 10], by way of 64 features."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(24, 32, 3, stride=2, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * 4 * 4, FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Class logits."""
        logits: Tensor = self.head(self.features(images))
        return logits


class DigitsCNN(nn.Module):
    """64 features a channel; class logits for pictures of one channel.  Raises DataError where its file is damaged."""

    resize = f"{FILTER}, to {SIZE}x{SIZE}"

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        if not spec.is_image:
            raise MismatchError(
                f"digits are pictures [C, H, W], the data have shape {list(spec.shape)}",
                at="extractor digits-cnn",
                fix="--extractor pixels",
            )
        self.channels = spec.shape[0]
        with torch.random.fork_rng(devices=[]):  # its first weights are thrown away
            self.reader = Reader()
        self.reader.load_state_dict(_read(FILE))
        self.reader.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, samples: Tensor) -> Tensor:
        """Images [N, C, H, W] -> [N, C * 64]."""
        each = resized(samples.float().flatten(0, 1).unsqueeze(1), SIZE, SIZE)
        features: Tensor = self.reader.features(each)
        return features.view(len(samples), -1)

    @torch.no_grad()
    def class_logits(self, features: Tensor) -> Tensor:
        """[N, 64] -> [N, 10].  Raises ValueError for several channels."""
        if self.channels != 1:
            raise ValueError(f"expected pictures of one channel, whose digit can be told, got {self.channels}")
        logits: Tensor = self.reader.head(features)
        return logits

    def train(self, mode: bool = True) -> DigitsCNN:
        """It learns nothing more."""
        return super().train(False)

    def fingerprint(self) -> str:
        """Of the weights and the size."""
        return fingerprint_of(self.reader.state_dict(), extractor="digits-cnn", formula=1, resize=self.resize)


def _read(file: Path) -> dict[str, Tensor]:
    fix = "install ganreg again"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"the packaged weights cannot be read: {error.strerror}", at=str(file), fix=fix) from error
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise DataError(f"the packaged weights are damaged: sha256 {found}, expected {SHA256}", at=str(file), fix=fix)
    try:
        return load(content)
    except SafetensorError as error:
        raise DataError(f"the packaged weights are damaged: {error}", at=str(file), fix=fix) from error
