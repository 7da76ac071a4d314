"""Each part in numbers that a reader can verify, and all of them in one short run."""

import math

import pytest
import torch
from ganreg_moons.dataset import Moons, curve
from ganreg_moons.networks import FourierFeatures
from torch import nn

import ganreg
from ganreg.errors import SettingsError


def test_the_moons_reach_into_each_other():
    angles, labels = torch.tensor([0.0, math.pi / 2, 0.0, math.pi / 2]), torch.tensor([0, 0, 1, 1])
    wanted = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.5], [1.0, -0.5]])

    torch.testing.assert_close(curve(angles, labels), wanted)


def test_without_noise_every_point_lies_on_its_half_circle():
    points, labels = Moons(count=500, noise=0.0).tensors
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.5]])[labels]

    torch.testing.assert_close((points - centres).norm(dim=1), torch.ones(500))
    assert labels.sum().item() == 250


def test_settings_make_the_data_and_its_fingerprint():
    assert torch.equal(Moons(seed=3).tensors[0], Moons(seed=3).tensors[0])
    assert len({Moons(**one).fingerprint() for one in ({}, {"seed": 1}, {"noise": 0.1}, {"count": 100})}) == 4
    with pytest.raises(SettingsError, match="noise must be greater than or equal to 0, got -1"):
        ganreg.create("dataset", "moons", noise=-1)


def test_features_are_the_input_its_sines_and_its_cosines():
    features = FourierFeatures(1, 1, scale=1.0)
    features.directions.fill_(0.25)

    torch.testing.assert_close(features(torch.tensor([[1.0]])), torch.tensor([[1.0, 1.0, 0.0]]), atol=1e-6, rtol=0.0)


def test_lion_moves_every_weight_by_its_learning_rate():
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    optimizer = ganreg.create("optimizer", "moons-lion", [weight], lr=0.5)
    weight.grad = torch.tensor([7.0, -0.1, 0.0])
    optimizer.step()
    assert weight.tolist() == [0.5, -1.5, 3.0]

    weight.grad = torch.tensor([-0.01, 0.0, 1.0])  # the first: 0.3 · 0.07 - 0.7 · 0.01 > 0, momentum wins
    optimizer.step()
    assert weight.tolist() == [0.0, -1.0, 2.5]


def test_weight_decay_shrinks_the_weight_itself():
    weight = nn.Parameter(torch.tensor([2.0]))
    weight.grad = torch.zeros(1)
    ganreg.create("optimizer", "moons-lion", [weight], lr=0.5, weight_decay=0.5).step()

    assert weight.item() == 1.5


def test_they_train_together():
    data = ganreg.create("dataset", "moons", count=256)
    gan = ganreg.GAN("fourier", "fourier")
    told = ganreg.train_gan(
        gan,
        data,
        steps=20,
        generator_optimizer="moons-lion",
        discriminator_optimizer="moons-lion",
        log_every=1,
        progress=False,
    )

    assert all(math.isfinite(value) for value in told.history["loss_d"])
    assert len(told.history["loss_d"]) == 20
