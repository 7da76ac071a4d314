from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganreg.pictures import ANIMATED, MARGIN, animation, grid, picture, save, scatter, to_uint8


def test_minus_one_is_black_one_is_white_and_what_lies_between_is_rounded():
    values = torch.tensor([-1.0, 1.0, 0.0, -1.0 + 1 / 127.5, -7.0, 7.0])

    assert to_uint8(values).tolist() == [0, 255, 128, 1, 0, 255]
    assert to_uint8(values).dtype == torch.uint8


def test_every_byte_comes_back_from_its_value():
    values = torch.arange(256)

    assert torch.equal(to_uint8(values / 127.5 - 1.0), values.to(torch.uint8))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_make_the_same_extremes(dtype):
    assert to_uint8(torch.tensor([-1, 1], dtype=dtype)).tolist() == [0, 255]


def test_a_grid_places_each_image_in_rows_with_a_margin():
    images = torch.stack([torch.full((1, 2, 3), value) for value in (-1.0, 1.0, -1.0)])
    sheet = np.asarray(grid(images, at_least=1))

    assert sheet.shape == (2 * (2 + MARGIN) + MARGIN, 2 * (3 + MARGIN) + MARGIN)
    assert (sheet[MARGIN : MARGIN + 2, MARGIN : MARGIN + 3] == 0).all()
    assert (sheet[MARGIN : MARGIN + 2, 2 * MARGIN + 3 : 2 * MARGIN + 6] == 255).all()
    assert (sheet[2 * MARGIN + 2 : 2 * MARGIN + 4, MARGIN : MARGIN + 3] == 0).all()
    assert (sheet[2 * MARGIN + 2 :, 2 * MARGIN + 3 :] == 96).all()  # nobody's place
    assert (sheet[:MARGIN] == 96).all()


def test_colours_stay_in_their_channels():
    image = torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1)
    sheet = grid(image, at_least=1)

    assert sheet.mode == "RGB"
    assert sheet.getpixel((MARGIN, MARGIN)) == (255, 0, 128)


def test_pixels_are_enlarged_by_a_whole_number_to_about_the_size_asked_for():
    small, large = grid(torch.zeros(16, 1, 8, 8), at_least=1), grid(torch.zeros(16, 1, 8, 8), at_least=512)

    assert small.size == (42, 42)
    assert large.size == (42 * 12, 42 * 12)
    assert np.array_equal(np.asarray(large)[::12, ::12], np.asarray(small))


def test_a_point_stands_where_its_coordinates_say_with_y_up():
    plot = np.asarray(scatter(torch.tensor([[0.8, 0.4]] * 1000), size=201))

    assert (plot == 30).any()
    rows, columns = np.nonzero(plot == 30)
    assert columns.mean() == pytest.approx((0.8 + 1) / 2 * 200, abs=1)  # axes reach to 1 at least
    assert rows.mean() == pytest.approx((1 - 0.4) / 2 * 200, abs=1)


def test_points_that_are_not_finite_are_left_out():
    nan = float("nan")

    assert scatter(torch.tensor([[0.5, nan], [0.2, 0.3]])).tobytes() == scatter(torch.tensor([[0.2, 0.3]])).tobytes()
    assert scatter(torch.full((3, 2), float("inf"))).size == (512, 512)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((4, 1, 8, 8), (504, 504)),
        ((4, 3, 8, 8), (506, 506)),
        ((9, 2), (512, 512)),
        ((4, 2, 8, 8), None),
        ((4, 5), None),
        ((4,), None),
    ],
)
def test_a_picture_is_a_grid_or_a_plot_or_nothing(shape, size):
    made = picture(torch.zeros(shape))

    assert (made.size if made else None) == (size if size is None or len(shape) == 2 else made.size)
    assert (made is None) == (size is None)


def test_no_images_make_an_empty_sheet():
    assert grid(torch.zeros(0, 1, 8, 8), at_least=1).size == (12, 2)


def test_a_grid_has_the_columns_that_are_asked_for():
    sheet = np.asarray(grid(torch.zeros(6, 1, 4, 4), at_least=1, columns=2))

    assert sheet.shape == (3 * (4 + MARGIN) + MARGIN, 2 * (4 + MARGIN) + MARGIN)


def moving(channels: int = 3) -> torch.Tensor:
    """Four frames of 8 x 8, another column of each white."""
    images = -torch.ones(4, channels, 8, 8)
    for frame in range(4):
        images[frame, :, :, frame] = 1.0
    return images


@pytest.mark.parametrize("ending", ANIMATED)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_animation_holds_every_frame_runs_for_ever_and_at_its_pace(tmp_path: Path, ending: str, channels: int):
    images = moving(channels)
    with (tmp_path / f"a{ending}").open("wb") as file:
        animation(images, file, ending=ending, per_second=20, at_least=16)

    with Image.open(tmp_path / f"a{ending}") as file:
        assert (file.n_frames, file.size, file.info["loop"]) == (4, (16, 16), 0)
        for frame in range(4):
            file.seek(frame)
            pixels = np.asarray(file.convert("RGB"))[::2, ::2, 0]
            assert np.array_equal(pixels, to_uint8(images[frame, 0]).numpy())
            assert file.info["duration"] == 50


def test_another_ending_is_no_animation():
    with pytest.raises(ValueError, match=r"an animation ends in one of .gif, .png, .webp, got '.mp4'"):
        animation(moving(), BytesIO(), ending=".mp4")


@pytest.mark.parametrize(("ending", "most"), [(".webp", 16_383), (".jpg", 65_500), (".jpeg", 65_500)])
def test_a_side_longer_than_the_format_can_have_is_told(ending: str, most: int):
    save(Image.new("L", (1, most)), BytesIO(), ending=ending)

    with pytest.raises(ValueError, match=f"1 x {most + 1:,} pixels are too many: a {ending} has at most {most:,} a side"):
        save(Image.new("L", (1, most + 1)), BytesIO(), ending=ending)


def test_frames_larger_than_the_format_can_have_are_told():
    with pytest.raises(ValueError, match=r"1 x 16,384 pixels are too many"):
        animation(torch.zeros(2, 1, 16_384, 1), BytesIO(), ending=".webp")
