"""R3GAN's blocks and resampling against sums worked out by hand, and against torch's own interpolation."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganreg.nn.r3_block import Double, Halve, R3Block, channels_of_levels, keep_variance_, linear_map, stage, twice_neighbours


def filled(block: R3Block, *, expand: float, grouped: float, project: float) -> R3Block:
    for layer, value in ((block.expand, expand), (block.grouped, grouped), (block.project, project)):
        nn.init.constant_(layer.weight, value)
    return block


def test_a_block_starts_as_the_identity():
    x = torch.randn(2, 8, 4, 4)

    assert torch.equal(R3Block(8, group_channels=4, num_blocks=6)(x), x)


def test_a_block_of_one_channel_is_this_sum():
    block = filled(R3Block(1, group_channels=1, num_blocks=1), expand=3.0, grouped=1.0, project=1.0)
    x = torch.tensor([[[[2.0]]], [[[-2.0]]]])

    # Two channels inside, each 3 · 2 = 6 or f(-6) = -1.2; the 3x3 sees it alone, f(-1.2) = -0.24; the two are added to x.
    torch.testing.assert_close(block(x).flatten(), torch.tensor([2.0 + 6.0 + 6.0, -2.0 - 0.24 - 0.24]))


def test_the_3x3_sees_its_neighbours_of_its_own_group_alone():
    block = filled(R3Block(2, group_channels=2, num_blocks=1), expand=0.0, grouped=1.0, project=0.0)
    block.expand.bias.data = torch.tensor([1.0, 2.0, 10.0, 20.0])  # four channels inside, in two groups
    block.project.weight.data[:, :, 0, 0] = torch.tensor([[1.0, 0, 0, 0], [0, 0, 1.0, 0]])

    made = block(torch.zeros(1, 2, 3, 3))

    torch.testing.assert_close(made[0, :, 1, 1], torch.tensor([9 * (1.0 + 2.0), 9 * (10.0 + 20.0)]))
    torch.testing.assert_close(made[0, :, 0, 0], torch.tensor([4 * (1.0 + 2.0), 4 * (10.0 + 20.0)]))  # 0 outside


def test_the_inside_is_twice_as_wide_and_only_the_last_convolution_has_no_bias():
    block = R3Block(24, group_channels=16, num_blocks=2)

    assert block.expand.weight.shape == (48, 24, 1, 1)
    assert block.grouped.weight.shape == (48, 16, 3, 3)
    assert block.project.weight.shape == (24, 48, 1, 1)
    assert [layer.bias is not None for layer in (block.expand, block.grouped, block.project)] == [True, True, False]


@pytest.mark.parametrize("num_blocks", [1, 16])
def test_weights_start_as_hes_times_the_fourth_root_of_the_number_of_blocks(num_blocks):
    torch.manual_seed(0)
    block = R3Block(128, group_channels=16, num_blocks=num_blocks)

    he = (2 / (1 + 0.2**2)) ** 0.5
    fixup = {1: 1.0, 16: 0.5}[num_blocks]  # 16^(-1/4)
    assert block.expand.weight.std().item() == pytest.approx(fixup * he / 128**0.5, rel=0.03)
    assert block.grouped.weight.std().item() == pytest.approx(fixup * he / (16 * 9) ** 0.5, rel=0.03)
    for layer in (block.expand, block.grouped):
        assert not layer.bias.any()


def test_channels_that_do_not_part_into_groups_are_refused():
    with pytest.raises(ValueError, match=r"group_channels must divide 8, 2 times the 4 channels of a map, got 16"):
        R3Block(4, group_channels=16, num_blocks=1)


def test_a_line_is_filtered_by_1_2_1_and_goes_on_outside_as_its_border_is():
    x = torch.tensor([[[[0.0, 4.0, 0.0, 0.0], [0.0, 4.0, 0.0, 0.0]]]])

    # (0 + 0 + 4) / 4, (0 + 8 + 0) / 4, (4 + 0 + 0) / 4, 0; up and down nothing changes
    torch.testing.assert_close(twice_neighbours(x)[0, 0], torch.tensor([[1.0, 2.0, 1.0, 0.0]] * 2))
    torch.testing.assert_close(twice_neighbours(torch.full((1, 1, 2, 3), 7.0)), torch.full((1, 1, 2, 3), 7.0))


def test_doubling_is_torchs_bilinear_interpolation():
    x = torch.randn(2, 3, 5, 8, dtype=torch.float64)

    torch.testing.assert_close(Double(3, 3)(x), F.interpolate(x, scale_factor=2, mode="bilinear"))


def test_halving_is_torchs_antialiased_one_but_for_the_border():
    x = torch.randn(2, 3, 10, 8, dtype=torch.float64)

    wanted = F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)
    got = Halve(3, 3)(x)

    torch.testing.assert_close(got[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1])
    assert got.shape == wanted.shape


def test_halving_a_line_weighs_four_pixels_1_3_3_1():
    x = torch.tensor([[[[0.0, 0.0, 8.0, 0.0, 0.0, 0.0]] * 2]])

    torch.testing.assert_close(Halve(1, 1)(x)[0, 0], torch.tensor([[1.0, 3.0, 0.0]]))


@pytest.mark.parametrize(("kind", "shape"), [(Double, (2, 5, 12, 8)), (Halve, (2, 5, 3, 2))])
def test_channels_change_on_the_way(kind, shape):
    assert kind(3, 5)(torch.randn(2, 3, 6, 4)).shape == shape


def test_where_channels_stay_nothing_is_learned():
    assert list(linear_map(4, 4).parameters()) == []
    assert [one.shape for one in linear_map(4, 6).parameters()] == [(6, 4, 1, 1)]


def test_what_keeps_the_variance_keeps_it():
    torch.manual_seed(0)
    layer = nn.Linear(256, 512, bias=False)
    keep_variance_(layer.weight)

    assert layer(torch.randn(64, 256)).var().item() == pytest.approx(1.0, rel=0.1)


def test_the_widest_map_is_the_smallest_up_to_a_limit():
    assert channels_of_levels(3, 16, 512) == [128, 64, 32, 16]
    assert channels_of_levels(3, 16, 50) == [50, 50, 32, 16]


def test_a_stage_differentiates_twice():
    blocks = stage(4, blocks=2, group_channels=4, num_blocks=2).double()
    for block in blocks:
        nn.init.normal_(block.project.weight)
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    network = nn.Sequential(Double(4, 2), Halve(2, 4), blocks).double()

    assert torch.autograd.gradgradcheck(lambda x: network(x).square().mean((1, 2, 3)), (x,))
