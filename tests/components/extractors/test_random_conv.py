"""Random convolutions: the same ones each time, told for what they are."""

import pytest
import torch

from ganreg.components.extractors.random_conv import RandomConv
from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError

PICTURES = DataSpec((3, 32, 32), 0, (-1.0, 1.0))


def test_weights_come_from_their_seed_and_leave_the_random_state_alone():
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = torch.random.get_rng_state()
    one, same, other = RandomConv(PICTURES), RandomConv(PICTURES), RandomConv(PICTURES, seed=1)

    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one(images), same(images))
    assert not torch.equal(one(images), other(images))
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()
    assert one(images).shape == (2, 304)


def test_they_tell_alike_from_unlike():
    from ganreg.components.metrics.kernel_distance import kernel_distance

    rng = torch.Generator().manual_seed(0)
    one, same = (torch.randn(100, 3, 32, 32, generator=rng).clamp(-1, 1) for _ in range(2))
    extractor = RandomConv(PICTURES)
    near = kernel_distance(extractor(one), extractor(same))
    far = kernel_distance(extractor(one), extractor(torch.nn.functional.avg_pool2d(same, 3, 1, 1)))

    assert abs(near) < far / 10


def test_large_pictures_are_made_smaller_and_points_refused():
    assert RandomConv(DataSpec((1, 256, 128))).resize == "bilinear, antialiased, to 64x32"
    assert RandomConv(PICTURES).resize == "none"
    assert "random weights" in RandomConv(PICTURES).note
    with pytest.raises(MismatchError, match=r"random convolutions are for pictures \[C, H, W\], the data have shape \[2\]"):
        RandomConv(DataSpec((2,)))
