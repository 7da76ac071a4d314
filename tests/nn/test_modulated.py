"""Modulated convolution against weights that are made for each sample, as the paper writes it."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganreg.nn.equalized import leaky_relu
from ganreg.nn.modulated import ModulatedConv2d, Noise, StyledConv2d
from ganreg.nn.resample import Upsample


def by_definition(layer, x, w):
    """One convolution a sample, with w''."""
    outs = []
    for one, style in zip(x, layer.style(w), strict=True):
        weight = layer.weight / (layer.weight[0].numel() ** 0.5) * style[None, :, None, None]
        if layer.demodulate:
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        outs.append(F.conv2d(one[None], weight, padding=layer.padding))
    return torch.cat(outs)


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("demodulate", [True, False])
def test_it_is_a_convolution_with_weights_of_each_samples_own(kernel_size, demodulate):
    torch.manual_seed(0)
    layer = ModulatedConv2d(3, 5, kernel_size, 4, demodulate=demodulate)
    x, w = torch.randn(2, 3, 6, 5), torch.randn(2, 4)

    torch.testing.assert_close(layer(x, w), by_definition(layer, x, w), rtol=1e-4, atol=1e-5)


def test_demodulated_weights_of_an_output_channel_have_norm_one():
    torch.manual_seed(0)
    layer = ModulatedConv2d(3, 5, 3, 4)
    impulses = torch.zeros(3, 3, 3, 3)
    impulses[range(3), range(3), 1, 1] = 1.0  # one input channel each: the answer is its weights, mirrored

    weights = layer(impulses, 7 * torch.randn(1, 4).expand(3, -1))

    torch.testing.assert_close(weights.square().sum((0, 2, 3)), torch.ones(5))


def test_two_inputs_by_hand():
    layer = ModulatedConv2d(2, 1, 1, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 1.0]).view(1, 2, 1, 1))
        layer.style.weight.zero_()
        layer.style.bias.copy_(torch.tensor([3.0, 4.0]))

    out = layer(torch.tensor([1.0, 2.0]).view(1, 2, 1, 1), torch.zeros(1, 1))

    assert out.item() == pytest.approx((3 * 1 + 4 * 2) / 5)


def test_styles_start_around_one():
    layer = ModulatedConv2d(3, 5, 3, 4)

    torch.testing.assert_close(layer.style(torch.zeros(2, 4)), torch.ones(2, 3))


def test_demodulation_undoes_the_scale_of_a_style():
    torch.manual_seed(0)
    layer, plain = ModulatedConv2d(3, 5, 3, 4), ModulatedConv2d(3, 5, 3, 4, demodulate=False)
    x, w = torch.randn(2, 3, 4, 4), torch.zeros(2, 4)
    before, plain_before = layer(x, w), plain(x, w)

    nn.init.constant_(layer.style.bias, 10.0)
    nn.init.constant_(plain.style.bias, 10.0)

    torch.testing.assert_close(layer(x, w), before, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(plain(x, w), 10 * plain_before)


def test_a_style_of_zero_gives_zero_and_no_nan():
    layer = ModulatedConv2d(3, 5, 3, 4)
    nn.init.zeros_(layer.style.bias)

    out = layer(torch.randn(2, 3, 4, 4), torch.zeros(2, 4))
    out.square().sum().backward()

    assert out.abs().max().item() == 0.0
    assert all(one.grad.isfinite().all() for one in layer.parameters())


def test_up_is_the_filter_and_then_the_convolution_inside_the_map():
    torch.manual_seed(0)
    layer = ModulatedConv2d(3, 5, 3, 4, up=True)
    mirrored = ModulatedConv2d(3, 5, 3, 4)
    mirrored.load_state_dict({**layer.state_dict(), "weight": layer.weight.detach().flip((2, 3))})
    x, w = torch.randn(2, 3, 6, 4), torch.randn(2, 4)

    out = layer(x, w)

    assert out.shape == (2, 5, 12, 8)
    wanted = mirrored(Upsample()(x), w)
    torch.testing.assert_close(out[..., 2:-2, 2:-2], wanted[..., 2:-2, 2:-2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("up", [False, True])
def test_it_differentiates_twice(up):
    torch.manual_seed(0)
    layer = ModulatedConv2d(2, 2, 3, 2, up=up).double()
    x = torch.randn(1, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    w = torch.randn(1, 2, dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradgradcheck(lambda x, w: layer(x, w), (x, w))


def test_the_second_derivative_by_the_style_is_that_of_the_definition():
    torch.manual_seed(0)
    layer = ModulatedConv2d(3, 5, 3, 4)
    x, w = torch.randn(2, 3, 4, 4), torch.randn(2, 4, requires_grad=True)
    y = torch.randn(2, 5, 4, 4)
    found = []
    for out in (layer(x, w), by_definition(layer, x, w)):
        (slope,) = torch.autograd.grad((out * y).sum(), w, create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), layer.weight)[0])

    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-4)


def test_lengths_are_summed_in_float32_under_autocast():
    layer = ModulatedConv2d(64, 3, 3, 4)
    style, weight = torch.randn(2, 64), layer.weight.detach()
    wanted = layer._lengths(style, weight)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = layer._lengths(style, weight)

    torch.testing.assert_close(got, wanted, rtol=0, atol=0)
    assert layer._lengths(style.bfloat16(), weight.bfloat16()).dtype == torch.float32


def test_noise_starts_without_strength():
    x = torch.randn(2, 3, 4, 5)

    torch.testing.assert_close(Noise(4, 5)(x), x, rtol=0, atol=0)


def test_noise_is_new_for_each_sample_in_training_and_one_for_all_channels():
    torch.manual_seed(0)
    noise = Noise(4, 5)
    nn.init.constant_(noise.gain, 2.0)

    once, again = noise(torch.zeros(64, 3, 4, 5)), noise(torch.zeros(64, 3, 4, 5))

    assert not torch.equal(once, again)
    assert not torch.equal(once[0], once[1])
    torch.testing.assert_close(once[:, 0], once[:, 2], rtol=0, atol=0)
    assert once.std().item() == pytest.approx(2.0, rel=0.1)


def test_noise_is_fixed_after_training_and_part_of_the_state():
    noise = Noise(4, 5).eval()
    nn.init.constant_(noise.gain, 2.0)
    other = deepcopy(noise)
    x = torch.zeros(2, 3, 4, 5)

    torch.testing.assert_close(noise(x), noise(x), rtol=0, atol=0)
    torch.testing.assert_close(noise(x)[0, 0], 2 * noise.state_dict()["fixed"][0, 0])
    torch.testing.assert_close(other(x), noise(x), rtol=0, atol=0)


def test_a_styled_convolution_adds_noise_and_bias_before_its_activation():
    torch.manual_seed(0)
    layer = StyledConv2d(3, 5, 4, 6, 6).eval()
    nn.init.constant_(layer.noise.gain, 0.5)
    nn.init.normal_(layer.bias)
    x, w = torch.randn(2, 3, 6, 6), torch.randn(2, 4)

    wanted = leaky_relu(layer.convolution(x, w) + 0.5 * layer.noise.fixed + layer.bias.view(1, 5, 1, 1))

    torch.testing.assert_close(layer(x, w), wanted)


def test_a_styled_convolution_may_have_no_noise():
    layer = StyledConv2d(3, 5, 4, 12, 12, up=True, noise=False)
    before = torch.get_rng_state()

    assert layer(torch.randn(2, 3, 6, 6, generator=torch.Generator()), torch.zeros(2, 4)).shape == (2, 5, 12, 12)
    assert torch.equal(torch.get_rng_state(), before)
