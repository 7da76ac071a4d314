"""Weights of another run as the first ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import ganreg.engine.checkpoint
from ganreg.components.discriminators.mlp import MLPDiscriminator
from ganreg.components.discriminators.resnet import ResNetDiscriminator
from ganreg.components.generators.mlp import MLPGenerator
from ganreg.components.generators.resnet import ResNetGenerator
from ganreg.contracts import GAN, DataSpec
from ganreg.engine import initial
from ganreg.errors import CheckpointError
from tests.engine.small import train


def pair(classes: int, hidden: int = 8, seed: int = 0) -> GAN:
    torch.manual_seed(seed)
    spec = DataSpec((2,), classes)
    return GAN(
        MLPGenerator(spec, latent_dim=3, hidden=(hidden,), conditioning="concat"),
        MLPDiscriminator(spec, hidden=(hidden,), conditioning="projection"),
    )


def data(classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(32, 2), torch.arange(32).remainder(classes)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A run on three classes."""
    train(pair(3), dataset=data(3), steps=3, out=tmp_path / "source", checkpoint_every=2, sample_every=0)
    return tmp_path / "source"


def test_with_other_classes_all_but_what_depends_on_the_class_is_taken_and_the_rest_is_told(source: Path):
    gan, trained = pair(5, seed=9), ganreg.engine.checkpoint.newest(source)[1][0]
    built = gan.generator.concat.embedding.weight.detach().clone()

    path, (of_generator, of_discriminator) = initial.fill(gan, str(source))

    assert path.name == "step-00000003"
    assert torch.equal(gan.generator.layers[0].weight, trained["ema"]["layers.0.weight"])
    assert torch.equal(gan.discriminator.layers[1].weight, trained["discriminator"]["layers.1.weight"])
    assert torch.equal(gan.generator.concat.embedding.weight, built)
    left = "left as built: concat.embedding.weight, [5, 32] here and [3, 32] there"
    assert of_generator == f"generator: 4 of 5 tensors from {path}; {left}"
    left = "left as built: head.embedding.weight, [5, 8] here"
    assert of_discriminator.startswith(f"discriminator: 4 of 5 tensors from {path}; {left}")


def test_at_another_resolution_the_levels_that_both_have_are_taken_and_the_rest_is_told(tmp_path: Path):
    def of(resolution: int) -> GAN:
        spec = DataSpec((1, resolution, resolution), 0, (-1.0, 1.0))
        return GAN(ResNetGenerator(spec, latent_dim=4, width=4), ResNetDiscriminator(spec, width=4))

    pictures = torch.linspace(-1, 1, 2048).view(8, 1, 16, 16)
    train(of(16), dataset=pictures, steps=1, batch_size=4, out=tmp_path / "small", sample_every=0)
    gan, trained = of(32), ganreg.engine.checkpoint.newest(tmp_path / "small")[1][0]

    _, (of_generator, _) = initial.fill(gan, str(tmp_path / "small"))

    built = gan.generator.state_dict()
    assert all(torch.equal(built[name], trained["ema"][name]) for name in ("blocks.0.first.weight", "blocks.1.second.weight"))
    assert "; left as built: blocks.2.norms.0.weight, which is not there; " in of_generator
    assert of_generator.startswith("generator: 35 of 48 tensors from ")


def test_one_checkpoint_may_be_meant_and_the_configuration_says_which(source: Path, tmp_path: Path):
    def begin(init_from: Path | str, name: str) -> Any:
        return train(pair(3, seed=9), dataset=data(3), steps=1, init_from=init_from, out=tmp_path / name, sample_every=0)

    begin(source / "checkpoints" / "step-00000002", "early")
    begin(source, "late")

    early, late = ((tmp_path / name / "config.yaml").read_text() for name in ("early", "late"))
    assert f"init_from: {source}/checkpoints/step-00000002" in early
    assert f"init_from: {source}/checkpoints/step-00000003" in late
    weights = [ganreg.engine.checkpoint.newest(tmp_path / name)[1][0]["generator"] for name in ("early", "late")]
    assert not torch.equal(weights[0]["layers.0.weight"], weights[1]["layers.0.weight"])


def test_networks_that_take_nothing_of_it_are_refused(source: Path):
    with pytest.raises(CheckpointError, match="none of its weights fits these networks") as told:
        initial.fill(GAN(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)), str(source))
    assert told.value.at.endswith("step-00000003")


def test_a_run_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(CheckpointError, match="the run directory does not exist"):
        initial.fill(pair(3), str(tmp_path / "none"))
