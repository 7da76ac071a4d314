"""A game small enough to follow by hand: points in the plane, two linear players or two with batch norm."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import ganreg
from ganreg.components.losses.bce import BCE
from ganreg.contracts import GAN
from ganreg.engine.data import Batches, source_of
from ganreg.engine.gate import Gate
from ganreg.engine.networks import Player
from ganreg.engine.state import State
from ganreg.engine.work import Work
from ganreg.nn.ema import EMA, EMASettings

CPU = torch.device("cpu")


class Generator(nn.Module):
    latent_dim = 3

    def __init__(self, *, norm: bool = False) -> None:
        super().__init__()
        middle = nn.BatchNorm1d(8) if norm else nn.Identity()
        self.layers = nn.Sequential(nn.Linear(3, 8), middle, nn.ReLU(), nn.Linear(8, 2))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class Discriminator(nn.Module):
    def __init__(self, *, norm: bool = False) -> None:
        super().__init__()
        middle = nn.BatchNorm1d(8) if norm else nn.Identity()
        self.layers = nn.Sequential(nn.Linear(2, 8), middle, nn.LeakyReLU(0.2), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def game(*, norm: bool = False, seed: int = 0) -> GAN:
    torch.manual_seed(seed)
    return GAN(Generator(norm=norm), Discriminator(norm=norm))


def points(count: int = 64, seed: int = 1) -> Tensor:
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(seed)) + 2.0


def work(gan: GAN, *, loss: Any = None, regularizers: Any = (), optimizer: Any = torch.optim.SGD, shared: bool = True) -> Work:
    """The pieces of one step, put together by hand."""
    batches = Batches(source_of(points()), batch_size=8, seed=0, device=CPU)
    state = State(
        gan=gan,
        ema=EMA(gan.generator, EMASettings(half_life=16.0, ramp=None)),
        optimizers={
            "generator": optimizer(gan.generator.parameters(), lr=0.1),
            "discriminator": optimizer(gan.discriminator.parameters(), lr=0.1),
        },
        batches=batches,
        rng=torch.Generator().manual_seed(0),
        device=CPU,
    )
    return Work(
        state=state,
        generator=Player(gan.generator, role="generator", num_classes=0),
        discriminator=Player(gan.discriminator, role="discriminator", num_classes=0),
        loss=loss if loss is not None else BCE(),
        regularizers=regularizers,
        augment=lambda images: images,
        gate=Gate({"discriminator": gan.discriminator, "generator": gan.generator}, CPU),
        fake_labels=lambda count: None,
        shares_latents=shared,
    )


def train(gan: GAN | None = None, **options: Any) -> Any:
    """A short run without a word on the terminal."""
    asked = {"steps": 6, "batch_size": 8, "log_every": 1, "progress": False, "precision": "fp32"} | options
    return ganreg.train_gan(gan if gan is not None else game(), asked.pop("dataset", points()), **asked)


def bits(module: nn.Module) -> dict[str, bytes]:
    return {name: tensor.detach().numpy().tobytes() for name, tensor in module.state_dict().items()}
