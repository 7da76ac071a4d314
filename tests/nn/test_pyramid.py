"""Which images the doubling networks take, and from which map they start."""

import pytest

from ganreg.contracts import DataSpec
from ganreg.errors import MismatchError
from ganreg.nn.pyramid import Pyramid, pyramid


@pytest.mark.parametrize(("size", "count"), [(8, 1), (16, 2), (32, 3), (64, 4), (128, 5), (1024, 8)])
def test_four_doubles_until_it_is_as_wide_as_the_image(size, count):
    assert pyramid(DataSpec((3, size, size)), at="") == Pyramid(4, 4, count)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (28, 28, Pyramid(7, 7, 2)),  # 7, 14, 28
        (48, 64, Pyramid(6, 8, 3)),  # the smaller side is 6: 3 would be below 4
        (64, 16, Pyramid(16, 4, 2)),
        (96, 96, Pyramid(6, 6, 4)),
        (24, 20, Pyramid(6, 5, 2)),
    ],
)
def test_other_sides_start_from_a_little_more_than_four(height, width, expected):
    found = pyramid(DataSpec((4, height, width)), at="")

    assert found == expected
    assert (found.height << found.doublings, found.width << found.doublings) == (height, width)
    assert found.size == found.height * found.width


def test_points_are_refused_and_mlp_is_named():
    with pytest.raises(MismatchError) as refusal:
        pyramid(DataSpec((2,)), at="generator dcgan")

    assert str(refusal.value) == (
        "error[GR106]: expected images [C, H, W], got samples of shape [2]\n"
        "  at: generator dcgan\n"
        "  fix: use the networks 'mlp', which take samples of any shape"
    )


@pytest.mark.parametrize(
    ("shape", "fix"),
    [
        ((3, 31, 64), "16x16"),  # odd
        ((1, 4, 4), "8x8"),  # no doubling
        ((3, 100, 100), "64x64"),  # 25 is no small map
        ((3, 128, 16), "16x16"),  # 32 beside 4
        ((3, 8, 6), "8x8"),
    ],
)
def test_sides_that_do_not_halve_are_refused_with_a_size_that_does(shape, fix):
    with pytest.raises(MismatchError) as refusal:
        pyramid(DataSpec(shape), at="discriminator dcgan")

    assert str(refusal.value) == (
        "error[GR106]: expected images whose sides halve to 4 – 16 positions, such as 28, 32, 48, 64 or 96 wide, "
        f"got {list(shape)}\n"
        "  at: discriminator dcgan\n"
        f"  fix: resize the images to {fix}"
    )
