"""Filtered sampling against small sums, and against torch's own bilinear one inside the image."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganreg.nn.resample import Downsample, Smooth, Upsample


def test_a_constant_image_stays_constant_inside():
    image = torch.full((2, 3, 8, 6), 5.0)

    for sampled in (Upsample()(image), Downsample()(image), Smooth(padding=1)(image)):
        torch.testing.assert_close(sampled[..., 1:-1, 1:-1], torch.full_like(sampled[..., 1:-1, 1:-1], 5.0))


def test_beyond_the_border_lie_zeros():
    assert Upsample()(torch.ones(1, 1, 4, 4))[0, 0, 0, 0].item() == pytest.approx((3 / 4) ** 2)
    assert Downsample()(torch.ones(1, 1, 4, 4))[0, 0, 0, 0].item() == pytest.approx((7 / 8) ** 2)


def test_one_pixel_becomes_four_by_four_of_the_binomial_filter():
    image = torch.zeros(1, 1, 3, 3)
    image[0, 0, 1, 1] = 16.0

    up = Upsample()(image)[0, 0]

    line = torch.tensor([1.0, 3.0, 3.0, 1.0])
    torch.testing.assert_close(up[1:5, 1:5], torch.outer(line, line))
    assert up.sum().item() == pytest.approx(64.0)  # four pixels for one


def test_a_pixel_gives_its_halves_by_distance():
    image = torch.zeros(1, 1, 4, 4)
    image[0, 0, 1, 1] = 64.0

    down = Downsample()(image)[0, 0]

    torch.testing.assert_close(down, torch.tensor([[9.0, 3.0], [3.0, 1.0]]))


def test_sizes_double_and_halve_also_when_not_square():
    assert Upsample()(torch.randn(2, 3, 7, 5)).shape == (2, 3, 14, 10)
    assert Downsample()(torch.randn(2, 3, 14, 10)).shape == (2, 3, 7, 5)
    assert Smooth(padding=2)(torch.randn(2, 3, 14, 10)).shape == (2, 3, 15, 11)


def test_inside_it_is_bilinear_sampling_in_each_channel():
    torch.manual_seed(0)
    image = torch.randn(2, 3, 8, 8)

    up = F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
    down = F.interpolate(image, scale_factor=0.5, mode="bilinear", align_corners=False, antialias=True)

    torch.testing.assert_close(Upsample()(image)[..., 1:-1, 1:-1], up[..., 1:-1, 1:-1])
    torch.testing.assert_close(Downsample()(image)[..., 1:-1, 1:-1], down[..., 1:-1, 1:-1])


def test_down_is_the_filter_and_then_every_second_sample():
    image = torch.randn(1, 2, 8, 8)

    torch.testing.assert_close(Smooth(padding=1)(image)[..., ::2, ::2], Downsample()(image))


@pytest.mark.parametrize("made", [Upsample, Downsample, lambda: Smooth(padding=2)])
def test_it_differentiates_twice(made):
    image = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    sample = made().double()

    assert torch.autograd.gradgradcheck(lambda x: sample(x).square(), image)


def test_the_filter_is_a_buffer_and_not_saved():
    assert [name for name, _ in Upsample().named_buffers()] == ["plane"]
    assert Upsample().state_dict() == {}
