"""Which images the doubling networks take."""

import pytest

from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError
from ganreg.nn.pyramid import doublings


@pytest.mark.parametrize(("size", "count"), [(8, 1), (16, 2), (32, 3), (64, 4), (128, 5)])
def test_four_doubles_until_it_is_as_wide_as_the_image(size, count):
    assert doublings(DataSpec((3, size, size)), at="") == count


def test_points_are_refused_and_mlp_is_named():
    with pytest.raises(MismatchError) as refusal:
        doublings(DataSpec((2,)), at="generator dcgan")

    assert str(refusal.value) == (
        "error[GR106]: expected images [C, H, W], got samples of shape [2]\n"
        "  at: generator dcgan\n"
        "  fix: use the networks 'mlp', which take samples of any shape"
    )


@pytest.mark.parametrize(
    ("shape", "fix"),
    [
        ((3, 32, 64), "32x32"),
        ((1, 28, 28), "16x16"),
        ((1, 4, 4), "8x8"),
        ((3, 256, 256), "128x128"),
        ((3, 100, 70), "64x64"),
    ],
)
def test_other_sizes_are_refused_with_the_nearest_that_needs_no_enlarging(shape, fix):
    with pytest.raises(MismatchError) as refusal:
        doublings(DataSpec(shape), at="discriminator dcgan")

    assert str(refusal.value) == (
        f"error[GR106]: expected square images 8, 16, 32, 64 or 128 wide, got {list(shape)}\n"
        "  at: discriminator dcgan\n"
        f"  fix: resize the images to {fix}"
    )
