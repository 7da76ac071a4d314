from __future__ import annotations

from pathlib import Path

import pytest
import torch

import ganreg
from ganreg.assembly.load import load_trained
from ganreg.errors import CheckpointError
from tests.engine.small import train


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    ganreg.train_gan(ganreg.GAN("mlp", "mlp"), "gaussians", steps=4, out=tmp_path / "run", progress=False, checkpoint_every=2)
    return tmp_path / "run"


def test_a_run_gives_its_averaged_generator_back(run_dir: Path):
    generator = ganreg.load_generator(run_dir)

    assert not generator.training
    assert generator(torch.randn(5, generator.latent_dim)).shape == (5, 2)
    early = ganreg.load_generator(run_dir / "checkpoints" / "step-00000002")
    z = torch.randn(5, generator.latent_dim)
    assert not torch.equal(generator(z), early(z))


def test_samples_depend_on_the_seed(run_dir: Path):
    trained = load_trained(run_dir)

    assert torch.equal(trained.sample(3, seed=1), trained.sample(3, seed=1))
    assert not torch.equal(trained.sample(3, seed=1), trained.sample(3, seed=2))


@pytest.mark.parametrize("name", ["no", "n" * 300])
def test_a_run_that_is_not_there_is_told(tmp_path: Path, name: str):
    with pytest.raises(CheckpointError, match=r"GR502.*the run directory does not exist"):
        ganreg.load_generator(tmp_path / name)


def test_a_generator_that_was_an_object_cannot_be_built_by_name(tmp_path: Path):
    train(out=tmp_path / "run")

    with pytest.raises(CheckpointError, match="was an object") as told:
        ganreg.load_generator(tmp_path / "run")
    assert "ema.safetensors" in told.value.fix
