"""Residual blocks and initial weights against their definitions."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganreg.nn.conditioning import ConditionalBatchNorm2d
from ganreg.nn.residual import DownBlock, UpBlock, doubling, drawn


def as_is(module):
    return module


def centre(convolution, value):
    """A 3x3 or 1x1 that multiplies every pixel by `value`, all channels added up."""
    nn.init.zeros_(convolution.weight)
    middle = convolution.weight.shape[-1] // 2
    convolution.weight.data[:, :, middle, middle] = value
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)


def unnormed(features):
    return nn.Identity()


def test_a_block_up_adds_what_it_makes_to_its_input_doubled():
    block = UpBlock(1, 1, norm=unnormed, wrap=as_is)
    for one, value in ((block.first, 2.0), (block.second, 10.0), (block.shortcut, 0.5)):
        centre(one, value)

    out = block(torch.tensor([[[[1.0, -4.0]]]]))

    # 1 -> ReLU 1 -> 2 -> 20, and 0.5 · 1; -4 -> ReLU 0 -> 0, and 0.5 · -4
    assert out.tolist() == [[[[20.5, 20.5, -2.0, -2.0], [20.5, 20.5, -2.0, -2.0]]]]


def test_a_block_up_normalises_before_each_relu():
    torch.manual_seed(0)
    block = UpBlock(3, 5, norm=nn.BatchNorm2d, wrap=as_is)
    x = 4 + 3 * torch.randn(2, 3, 4, 6)

    def norm(h):
        return (h - h.mean((0, 2, 3), keepdim=True)) / (h.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()

    def double(h):
        return h.repeat_interleave(2, 2).repeat_interleave(2, 3)

    h = F.conv2d(double(norm(x).relu()), block.first.weight, padding=1)
    h = F.conv2d(norm(h).relu(), block.second.weight, padding=1)
    torch.testing.assert_close(block(x), h + F.conv2d(double(x), block.shortcut.weight), rtol=1e-4, atol=1e-5)


def test_a_block_up_tells_its_condition_to_both_norms():
    torch.manual_seed(0)
    block = UpBlock(2, 3, norm=lambda features: ConditionalBatchNorm2d(features, 4), wrap=as_is)
    x, condition = torch.randn(2, 2, 4, 4), torch.eye(4)[:2]
    plain = block(x, condition)

    for norm in block.norms:
        old = norm.gain_and_shift.weight.detach().clone()
        nn.init.ones_(norm.gain_and_shift.weight)
        assert not torch.allclose(block(x, condition), plain)
        norm.gain_and_shift.weight.data.copy_(old)


def test_a_block_down_adds_the_means_of_both_paths():
    block = DownBlock(1, 1, wrap=as_is)
    for one, value in ((block.first, 2.0), (block.second, 10.0), (block.shortcut, 0.5)):
        centre(one, value)

    out = block(torch.tensor([[[[1.0, -4.0], [3.0, 8.0]]]]))

    # path: 20 · (1, 0, 3, 8), mean 60; shortcut: half of the mean 2
    assert out.tolist() == [[[[61.0]]]]


def test_the_first_block_has_no_relu_before_its_first_convolution():
    block = DownBlock(1, 1, wrap=as_is, first=True)
    for one, value in ((block.first, -2.0), (block.second, 10.0), (block.shortcut, 0.5)):
        centre(one, value)

    # path: -2 · -3 = 6 -> 60; with a ReLU in front it would be 0
    assert block(torch.full((1, 1, 2, 2), -3.0)).tolist() == [[[[60.0 - 1.5]]]]


def test_the_shortcut_may_be_taken_before_or_after_the_mean():
    torch.manual_seed(0)
    block = DownBlock(3, 5, wrap=as_is)
    nn.init.normal_(block.shortcut.bias)
    x = torch.randn(2, 3, 8, 6)

    path = block.second(block.first(x.relu()).relu())
    torch.testing.assert_close(block(x), F.avg_pool2d(path + block.shortcut(x), 2))


def test_a_plain_block_keeps_the_map_and_adds_it_as_it_is():
    block = DownBlock(2, 2, wrap=as_is, down=False)
    for one in (block.first, block.second):
        centre(one, 0.0)
    x = torch.randn(2, 2, 4, 4)

    assert torch.equal(block(x), x)
    assert x.min().item() < 0  # its ReLU wrote into no input
    assert DownBlock(2, 3, wrap=as_is, down=False)(x).shape == (2, 3, 4, 4)


def test_channels_double_up_to_16_times_the_width():
    assert doubling(96, 6) == [96, 192, 384, 768, 1536, 1536]


def test_xavier_weights_are_uniform_within_their_bound():
    torch.manual_seed(0)
    weight = drawn("xavier", spectral=False)(nn.Conv2d(6, 10, 3)).weight

    bound = (6 / (9 * 6 + 9 * 10)) ** 0.5
    assert 0.95 * bound < weight.abs().max().item() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)


def test_orthogonal_weights_have_rows_of_length_1_that_are_perpendicular():
    torch.manual_seed(0)
    weight = drawn("orthogonal", spectral=False)(nn.Conv2d(4, 8, 3)).weight.flatten(1)

    torch.testing.assert_close(weight @ weight.T, torch.eye(8), rtol=0, atol=1e-5)


def test_normal_weights_have_a_deviation_of_a_fiftieth():
    torch.manual_seed(0)

    assert drawn("normal", spectral=False)(nn.Linear(100, 100)).weight.std().item() == pytest.approx(0.02, rel=0.03)


@pytest.mark.parametrize("spectral", [True, False])
def test_every_bias_starts_at_0_and_what_has_none_needs_none(spectral):
    ready = drawn("xavier", spectral=spectral)

    assert ready(nn.Linear(3, 4)).bias.tolist() == [0.0] * 4
    assert ready(nn.Conv2d(3, 4, 1, bias=False)).bias is None
    assert ready(nn.Embedding(3, 4))(torch.tensor([2])).shape == (1, 4)


def test_weights_are_drawn_before_they_are_normalised():
    torch.manual_seed(0)
    layer = drawn("normal", spectral=True)(nn.Linear(100, 100))

    assert layer.parametrizations.weight.original.std().item() == pytest.approx(0.02, rel=0.03)
    assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1.0, rel=0.05)
