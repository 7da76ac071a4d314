"""The samples themselves as features."""

import torch

from ganreg.components.extractors.pixels import Pixels
from ganreg.contracts import DataSpec


def test_points_are_their_own_features():
    points = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    extractor = Pixels(DataSpec((2,)))

    assert torch.equal(extractor(points), points)
    assert (extractor.resize, extractor.note) == ("none", "")


def test_small_pictures_keep_their_pixels_and_large_ones_their_proportions():
    small, large = Pixels(DataSpec((3, 8, 8))), Pixels(DataSpec((1, 64, 32)), resolution=16)

    assert small(torch.zeros(2, 3, 8, 8)).shape == (2, 192)
    assert large(torch.zeros(2, 1, 64, 32)).shape == (2, 16 * 8)
    assert large.resize == "bilinear, antialiased, to 16x8"
    assert small.note != ""


def test_another_size_is_another_fingerprint():
    spec = DataSpec((1, 64, 64))

    assert Pixels(spec).fingerprint() == Pixels(spec).fingerprint() != Pixels(spec, resolution=16).fingerprint()
