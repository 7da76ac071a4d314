"""Pictures of another size."""

import torch

from ganreg.components.extractors.resize import resized


def test_the_same_size_is_the_same_tensor_and_a_constant_stays_one():
    images = torch.full((2, 1, 8, 8), 0.25)

    assert resized(images, 8, 8) is images
    assert torch.allclose(resized(images, 4, 2), torch.full((2, 1, 4, 2), 0.25))


def test_a_fine_pattern_becomes_grey_and_does_not_flicker():
    stripes = torch.tensor([1.0, -1.0]).repeat(32).expand(1, 1, 64, 64)

    assert resized(stripes, 8, 8)[..., 1:-1].abs().max() < 0.1
