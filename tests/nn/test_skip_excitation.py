"""Skip-layer excitation against products worked out by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganreg.nn.skip_excitation import SkipExcitation, excitations


def test_a_channel_is_weighed_by_the_sigmoid_of_what_the_small_map_says():
    layer = SkipExcitation(1, 2)
    _, look, _, last, _ = layer.weigh
    with torch.no_grad():
        look.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1).expand(2, 1, 4, 4) / 16)  # mean, and minus the mean
        last.weight.copy_(torch.eye(2)[:, :, None, None])
    nn.init.zeros_(look.bias)
    nn.init.zeros_(last.bias)

    made = layer(torch.full((1, 1, 8, 8), 3.0), torch.ones(1, 2, 5, 7))

    said = torch.tensor([3.0, -0.3])  # LeakyReLU with a slope of 0.1
    torch.testing.assert_close(made, said.sigmoid()[None, :, None, None].expand(1, 2, 5, 7))


def test_the_small_map_is_averaged_to_4x4():
    layer = SkipExcitation(1, 1)
    small, large = torch.randn(2, 1, 8, 12), torch.randn(2, 1, 16, 16)

    torch.testing.assert_close(layer(small, large), layer(F.avg_pool2d(small, (2, 3)), large))


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 8), (14, 10), (32, 48)])
def test_maps_of_any_size_weigh_maps_of_any_size(height, width):
    assert SkipExcitation(3, 5)(torch.randn(2, 3, height, width), torch.randn(2, 5, 6, 9)).shape == (2, 5, 6, 9)


@pytest.mark.parametrize(
    ("side", "pairs"),
    [
        (1024, {128: 8, 256: 16, 512: 32}),  # the paper's
        (256, {128: 8, 256: 16}),  # the paper's
        (128, {128: 8}),
        (64, {64: 8}),
        (32, {32: 8}),
        (16, {}),
        (8, {}),
    ],
)
def test_which_map_weighs_which(side, pairs):
    levels = excitations((side // 4).bit_length() - 1)

    assert {4 << high: 4 << low for high, low in levels.items()} == pairs


def test_the_gradient_takes_both_ways():
    small, large = torch.randn(2, 3, 8, 8, requires_grad=True), torch.randn(2, 5, 16, 16, requires_grad=True)

    SkipExcitation(3, 5)(small, large).square().sum().backward()

    assert small.grad.abs().sum() > 0
    assert large.grad.abs().sum() > 0
