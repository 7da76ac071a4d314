"""Weights of another run as the first ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import ganreg
import ganreg.engine.checkpoint
from ganreg.components.discriminators.dcgan import DCGANDiscriminator
from ganreg.components.discriminators.fastgan import FastGANDiscriminator
from ganreg.components.discriminators.mlp import MLPDiscriminator
from ganreg.components.discriminators.r3gan import R3GANDiscriminator
from ganreg.components.discriminators.resnet import ResNetDiscriminator
from ganreg.components.discriminators.stylegan2 import StyleGAN2Discriminator
from ganreg.components.generators.dcgan import DCGANGenerator
from ganreg.components.generators.fastgan import FastGANGenerator
from ganreg.components.generators.mlp import MLPGenerator
from ganreg.components.generators.r3gan import R3GANGenerator
from ganreg.components.generators.resnet import ResNetGenerator
from ganreg.components.generators.stylegan2 import StyleGAN2Generator
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
    assert of_generator == f"generator: 4 of 5 tensors, 66% of the weights, from {path}; {left}"
    left = "left as built: head.embedding.weight, [5, 8] here"
    assert of_discriminator.startswith(f"discriminator: 4 of 5 tensors, 45% of the weights, from {path}; {left}")


PAIRS = {
    "dcgan": (DCGANGenerator, DCGANDiscriminator, 4, (15, 20)),
    "resnet": (ResNetGenerator, ResNetDiscriminator, 4, (70, 70)),
    "stylegan2": (StyleGAN2Generator, StyleGAN2Discriminator, 4, (95, 5)),
    "r3gan": (R3GANGenerator, R3GANDiscriminator, 16, (30, 30)),
    "fastgan": (FastGANGenerator, FastGANDiscriminator, 4, (15, 2)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_at_another_resolution_the_levels_at_the_image_are_taken_and_the_rest_is_told(name: str, tmp_path: Path):
    generator, discriminator, width, at_least = PAIRS[name]

    def of(resolution: int) -> GAN:
        spec = DataSpec((1, resolution, resolution), 0, (-1.0, 1.0))
        return GAN(generator(spec, latent_dim=4, width=width), discriminator(spec, width=width))

    pictures = torch.linspace(-1, 1, 4096).view(16, 1, 16, 16)
    train(of(16), dataset=pictures, steps=1, batch_size=8, out=tmp_path / "small", sample_every=0)
    gan, trained = of(32), ganreg.engine.checkpoint.newest(tmp_path / "small")[1][0]
    before = {one: tensor.clone() for one, tensor in gan.generator.state_dict().items()}

    _, told = initial.fill(gan, str(tmp_path / "small"))

    shares = [int(re.search(r"(\d+)% of the weights", line)[1]) for line in told]
    assert shares[0] >= at_least[0], told
    assert shares[1] >= at_least[1], told
    after, saved = gan.generator.state_dict(), trained["ema"]
    last = [one for one in after if one.endswith("weight")][-1]  # what makes the image
    assert any(one.shape == after[last].shape and torch.equal(one, after[last]) for one in saved.values())
    assert any(torch.equal(after[one], before[one]) for one in before if one.endswith("weight"))  # the new level
    assert all("; left as built: " in line for line in told)


def test_numbers_of_batches_alone_are_no_weights(tmp_path: Path):
    def of(width: int) -> GAN:
        spec = DataSpec((1, 16, 16), 0, (-1.0, 1.0))
        return GAN(DCGANGenerator(spec, latent_dim=4, width=width), DCGANDiscriminator(spec, width=width))

    pictures = torch.linspace(-1, 1, 2048).view(8, 1, 16, 16)
    train(of(4), dataset=pictures, steps=1, batch_size=4, out=tmp_path / "narrow", sample_every=0)
    gan = of(6)
    gan.generator.layers[-2].bias.data = gan.generator.layers[-2].bias.data.repeat(2)  # the only one that would fit

    with pytest.raises(CheckpointError, match="none of its weights fits"):
        initial.fill(GAN(gan.generator, nn.Linear(1, 1)), str(tmp_path / "narrow"))


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


@pytest.mark.parametrize("source", ["~nobody-here/run", "a" * 300])
def test_a_path_that_cannot_be_is_refused(source: str):
    with pytest.raises(CheckpointError, match="the run directory does not exist"):
        initial.fill(pair(3), source)
    with pytest.raises(CheckpointError, match="the run directory does not exist"):
        ganreg.load_generator(source)
