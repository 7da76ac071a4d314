"""The example plugin is a plugin: what it offers is found, built and right."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest
import torch

from ganreg import plugins
from ganreg.registry import Registry

EXAMPLE = Path(__file__).parents[1] / "examples" / "ganreg-fancy-loss"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    return Registry(plugins.load(files=[EXAMPLE / "ganreg_fancy_loss" / "plugin.py"]))


def test_its_loss_is_cross_entropy_when_gamma_is_0_and_less_otherwise(registry: Registry):
    logits = torch.zeros(4)

    for gamma, expected in ((0.0, 2 * math.log(2)), (2.0, 2 * math.log(2) / 4)):
        loss = registry.create("loss", "focal", settings={"gamma": gamma})
        assert loss.discriminator(logits, logits).item() == pytest.approx(expected)


def test_its_entry_point_names_the_module_that_offers_it():
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]

    assert project["entry-points"]["ganreg"] == {"fancy-loss": "ganreg_fancy_loss.plugin"}
    assert "ganreg-plugin" in project["keywords"]
