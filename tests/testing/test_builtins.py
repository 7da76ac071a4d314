"""Every built-in part passes the kit that its rivals are measured by."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganreg.pictures import picture
from ganreg.testing import Check, checks_of_plugin

STYLE = {"latent_dim": 16, "style_dim": 16, "mapping_layers": 2, "width": 8, "max_channels": 32}
SETTINGS: dict[str, dict[str, object]] = {
    "dataset-image-folder": {"path": "pictures", "resolution": 8},
    "generator-stylegan2": STYLE,
    "discriminator-stylegan2": {"width": 8, "max_channels": 32},
    "generator-r3gan": {"width": 16, "max_channels": 32, "blocks": 1},
    "discriminator-r3gan": {"width": 16, "max_channels": 32, "blocks": 1},
    "generator-fastgan": {"width": 8},
    "discriminator-fastgan": {"width": 8},
    "generator-resnet": {"width": 4},
    "discriminator-resnet": {"width": 8},
    "discriminator-patch": {"width": 8},
    "discriminator-unet": {"width": 8},
    "generator-dcgan": {"width": 8},
    "discriminator-dcgan": {"width": 8},
    "tracker-wandb": {"mode": "offline"},
    "tracker-mlflow": {"uri": "sqlite:///store.db"},
}
"""Of those whose own values make large networks, or reach for a network of another sort."""


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("one", "two"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        made = picture(torch.rand(1, 3, 8, 8) * 2 - 1)
        assert made is not None
        made.save(tmp_path / "pictures" / name / "0.png")


CHECKS = [
    # In ONNX each generator is compared by tests/portable/test_onnx.py, smaller.
    pytest.param(one, id=one.name, marks=[pytest.mark.nightly] if one.name.endswith("exports_to_onnx") else [])
    for one in checks_of_plugin("ganreg", SETTINGS)
]


@pytest.mark.usefixtures("pictures")
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated", "ignore::DeprecationWarning:onnx")
@pytest.mark.filterwarnings("ignore:.*noload.* loader strategy is deprecated")  # MLflow's
@pytest.mark.parametrize("check", CHECKS)
def test_a_built_in_part_conforms(check: Check):
    check()
