"""Every recipe in the package can be built at its full size, and learns for some steps with narrow networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ganreg import registry, yamltext
from ganreg.assembly import check_config, train_config
from ganreg.assembly.config import Config, resolve

NAMES = [offer.record.name for offer in registry.current().recipes() if offer.plugin.name == "builtin"]
NARROW: dict[str, dict[str, Any]] = {
    "resnet": {"width": 4},
    "stylegan2": {"width": 8, "max_channels": 16},
    "r3gan": {"width": 16, "max_channels": 32, "blocks": 1},
    "fastgan": {"width": 4},
    "dcgan": {"width": 4},
    "mlp": {"hidden": [16, 16]},
}
STEPS = 4


def configured(name: str, **values: Any) -> Config:
    return resolve([yamltext.Document({"recipe": name, **values}, "test")], registry.current())


def narrow(name: str) -> Config:
    recipe = yamltext.read(registry.current().recipe(name).path).values
    networks = {role: NARROW[recipe[role]["name"]] for role in ("generator", "discriminator")}
    few = {"steps": STEPS, "batch_size": 8, "log_every": 1, "sample_every": 0, "checkpoint_every": 0, "precision": "fp32"}
    return configured(name, **networks, **few)


def test_the_recipes_are_those_that_the_docs_promise():
    assert {
        *("dcgan", "sngan", "wgan-gp", "biggan-small", "stylegan2-small", "r3gan", "fastgan"),
        *("grid25", "digits-conditional"),
    } <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_trains_for_some_steps_and_its_losses_are_numbers(name: str, tmp_path: Path):
    train_config(narrow(name), out=tmp_path / "run", progress=False)

    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert all(isinstance(row[key], float) for row in rows for key in ("loss_d", "loss_g", "grad_d", "grad_g"))
    assert (tmp_path / "run" / "checkpoints" / f"step-{STEPS:08d}" / "manifest.json").exists()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.timeout(300)
def test_a_recipe_fits_its_data_at_full_size(name: str):
    run = check_config(configured(name))

    assert run.total_steps > 0
    assert sum(weight.numel() for weight in run.gan.generator.parameters()) > 10_000


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_begins_with_what_it_is_and_says_each_number_once(name: str):
    text = registry.current().recipe(name).path.read_text(encoding="utf-8")

    assert text.startswith("# ")
    assert max(map(len, text.splitlines())) <= 128
