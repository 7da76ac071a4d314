"""DCGAN's initial weights: N(0, 0.02) for weights, N(1, 0.02) for gains, 0 for biases."""

import pytest
import torch
from torch import nn

from ganreg.nn import init


def test_weights_have_a_standard_deviation_of_two_hundredths():
    torch.manual_seed(0)
    layers = nn.ModuleList([nn.Linear(100, 100), nn.Conv2d(50, 50, 2), nn.ConvTranspose2d(50, 50, 2)])

    init.dcgan_(layers)

    for layer in layers:  # 10,000 draws: the standard error of the mean is 0.0002, of the deviation 0.00014
        assert layer.weight.mean().item() == pytest.approx(0.0, abs=0.001)
        assert layer.weight.std().item() == pytest.approx(0.02, abs=0.001)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(10_000), nn.BatchNorm2d(10_000), nn.GroupNorm(1, 10_000)])
def test_gains_of_a_normalisation_are_spread_around_one(norm):
    torch.manual_seed(0)

    init.dcgan_(norm)

    assert norm.weight.mean().item() == pytest.approx(1.0, abs=0.001)
    assert norm.weight.std().item() == pytest.approx(0.02, abs=0.001)


def test_biases_start_at_zero():
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 8))
    for layer in layers:
        if hasattr(layer, "bias"):
            nn.init.ones_(layer.bias)

    init.dcgan_(layers)

    assert [layer.bias.abs().sum().item() for layer in layers if hasattr(layer, "bias")] == [0.0, 0.0, 0.0]


def test_layers_without_gain_or_bias_are_left_in_peace():
    layers = nn.Sequential(nn.BatchNorm2d(4, affine=False), nn.Linear(4, 4, bias=False), nn.ReLU())

    init.dcgan_(layers)

    assert [name for name, _ in layers.named_parameters()] == ["1.weight"]


def test_the_spread_can_be_chosen():
    torch.manual_seed(0)
    layer = nn.Linear(100, 100)

    init.dcgan_(layer, std=0.5)

    assert layer.weight.std().item() == pytest.approx(0.5, abs=0.02)


def test_one_seed_gives_the_same_weights_twice():
    first, second = nn.Linear(8, 8), nn.Linear(8, 8)
    for layer in (first, second):
        torch.manual_seed(3)
        init.dcgan_(layer)

    torch.testing.assert_close(first.weight, second.weight, rtol=0, atol=0)


def test_hes_weights_keep_a_signals_size_through_many_layers():
    torch.manual_seed(0)
    layers = nn.Sequential(*[one for _ in range(20) for one in (nn.Linear(256, 256), nn.LeakyReLU(0.2))])
    x = torch.randn(64, 256)
    shrunk = layers(x).std().item()

    init.he_(layers, 0.2)

    assert shrunk < 0.05  # as torch draws them, each layer takes a part away
    assert layers[0].weight.std().item() == pytest.approx((2 / (1.04 * 256)) ** 0.5, rel=0.02)
    assert 0.5 < layers(x).std().item() < 2
    assert all(one.bias.abs().sum().item() == 0 for one in layers if isinstance(one, nn.Linear))
