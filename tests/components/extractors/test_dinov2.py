"""DINOv2: the refusals, and the wiring, with a package and a repository that stand in for theirs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ganreg.components.extractors.dinov2 import DINOv2
from ganreg.contracts import DataSpec
from ganreg.errors import DataError, UsageError

PICTURES = DataSpec((3, 8, 8), 0, (-1.0, 1.0))
HUB = """
import torch

def dinov2_vits14(pretrained=True):
    assert not pretrained
    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 4, bias=False))
"""


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    top, inner = ModuleType("torch_fidelity"), ModuleType("torch_fidelity.interpolate_compat_tensorflow")
    top.__spec__ = sys.__spec__
    made: Any = inner

    def resize(x: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
        return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)

    made.interpolate_bilinear_2d_like_tensorflow1x = resize
    monkeypatch.setitem(sys.modules, top.__name__, top)
    monkeypatch.setitem(sys.modules, inner.__name__, inner)


@pytest.fixture
def weights(tmp_path: Path) -> str:
    torch.save({"2.weight": torch.ones(4, 3)}, tmp_path / "w.pth")
    return str(tmp_path / "w.pth")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganreg.extras.find_spec", lambda name: None)

    with pytest.raises(UsageError, match="extractor 'dinov2' needs torch_fidelity") as told:
        DINOv2(PICTURES, weights="w.pth", repository=".")
    assert told.value.fix == "pip install 'ganreg[fidelity]'"


@pytest.mark.usefixtures("package")
def test_a_clone_that_builds_no_such_network_is_told(weights: str, tmp_path: Path):
    with pytest.raises(DataError, match="the network dinov2_vits14 cannot be built"):
        DINOv2(PICTURES, weights=weights, repository=str(tmp_path / "none"), model="s")


@pytest.mark.usefixtures("package")
def test_the_clone_builds_the_network_and_pictures_are_normalised(weights: str, tmp_path: Path):
    (tmp_path / "hubconf.py").write_text(HUB)
    extractor = DINOv2(PICTURES, weights=weights, repository=str(tmp_path), model="s").to(torch.device("cpu"))
    white = sum((1 - mean) / deviation for mean, deviation in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True))

    assert extractor(torch.ones(2, 3, 8, 8)).shape == (2, 4)
    assert torch.allclose(extractor(torch.ones(1, 3, 8, 8)), torch.full((1, 4), white), atol=1e-3)
    assert len(extractor.fingerprint()) == 64
