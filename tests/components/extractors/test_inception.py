"""Inception through torch-fidelity: the refusal without it, and the wiring, with a package that stands in for it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganreg import registry
from ganreg.components.extractors import inception
from ganreg.components.extractors.inception import Inception
from ganreg.contracts import DataSpec
from ganreg.errors import SettingsError, UsageError
from ganreg.settings import describe

PICTURES = DataSpec((1, 8, 8), 0, (-1.0, 1.0))


class StandIn(nn.Module):
    """As torch-fidelity's class is called; its features are means."""

    def __init__(self, name: str, features_list: list[str], feature_extractor_weights_path: str | None = None) -> None:
        super().__init__()
        assert (name, features_list) == ("inception-v3-compat", ["2048"])
        self.weights = torch.load(str(feature_extractor_weights_path), weights_only=True)
        self.fc = nn.Linear(3, 5)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        assert x.dtype == torch.uint8
        return (x.float().mean((2, 3)) * self.weights["scale"],)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    top, inner = ModuleType("torch_fidelity"), ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    top.__spec__ = sys.__spec__  # find_spec asks for one
    made: Any = inner
    made.FeatureExtractorInceptionV3 = StandIn
    monkeypatch.setitem(sys.modules, top.__name__, top)
    monkeypatch.setitem(sys.modules, inner.__name__, inner)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganreg.extras.find_spec", lambda name: None)

    with pytest.raises(UsageError, match="extractor 'inception' needs torch_fidelity, which is not installed") as told:
        Inception(PICTURES, weights="w.pth")
    assert told.value.fix == "pip install 'ganreg[fidelity]'"


def test_without_weights_it_says_so_and_where_they_are():
    part = registry.current().part("extractor", "inception")

    with pytest.raises(SettingsError, match="weights is missing") as told:
        part.check({})
    assert told.value.fix == "ganreg show extractor inception"
    assert "github.com/toshas/torch-fidelity/releases" in describe(part.model)[0].help


@pytest.mark.usefixtures("package")
def test_pictures_go_in_as_bytes_and_features_and_logits_come_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch.save({"scale": torch.tensor(2.0)}, tmp_path / "w.pth")
    torch.save({"scale": torch.tensor(3.0)}, tmp_path / "other.pth")
    extractor = Inception(PICTURES, weights=str(tmp_path / "w.pth")).to(torch.device("cpu"))
    features = extractor(torch.ones(2, 1, 8, 8))

    assert features.tolist() == [[510.0] * 3] * 2
    assert torch.allclose(extractor.class_logits(features), features @ extractor._network.fc.weight.T)
    assert "no FID" in extractor.note
    assert extractor.fingerprint() != Inception(PICTURES, weights=str(tmp_path / "other.pth")).fingerprint()
    monkeypatch.setattr(inception, "STANDARD", extractor._sha256[:8])
    assert Inception(PICTURES, weights=str(tmp_path / "w.pth")).note == ""
