import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ganreg.components.datasets.pictures import MAX_PIXELS, check_header, extensions, formats, read_square
from ganreg.errors import BadImageError, ImageTooLargeError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture
def save(tmp_path):
    """Save a picture and give its path."""

    def save(picture, name="picture.png", **options):
        path = tmp_path / name
        picture.save(path, **options)
        return path

    return save


def corners(path, resolution=2):
    """The colour of each corner, left to right, top to bottom."""
    pixels = read_square(path, resolution, 3)
    return [tuple(pixels[:, y, x].tolist()) for y in (0, -1) for x in (0, -1)]


def pillows(path, attribute):
    """What Pillow says about a file."""
    with Image.open(path) as picture:
        return getattr(picture, attribute)


def quarters(size=(2, 2)):
    """Red and green above blue and white."""
    small = Image.new("RGB", (2, 2))
    for position, colour in zip([(0, 0), (1, 0), (0, 1), (1, 1)], [RED, GREEN, BLUE, WHITE], strict=True):
        small.putpixel(position, colour)
    return small.resize(size, Image.Resampling.NEAREST)


def header_of_png(width, height, *chunks):
    """A PNG that promises pixels and has none."""
    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in [(b"IHDR", ihdr), *chunks, (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]:
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return content


# --- shape and geometry -----------------------------------------------------------------------------------------------


def test_a_picture_of_the_wanted_size_comes_through_unchanged(save):
    assert corners(save(quarters())) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_bytes_with_the_channels_first(save, channels):
    pixels = read_square(save(quarters()), 8, channels)

    assert pixels.shape == (channels, 8, 8)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("size", [(6, 2), (2, 6), (7, 2)])
def test_only_the_centred_square_counts(save, size):
    picture = Image.new("RGB", size, RED)
    left, top = (size[0] - 2) // 2, (size[1] - 2) // 2
    picture.paste(BLUE, (left, top, left + 2, top + 2))

    assert corners(save(picture)) == [BLUE] * 4


def test_shrinking_averages_over_every_pixel_instead_of_picking_some(save):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 200

    pixels = read_square(save(Image.fromarray(stripes)), 8, 1)

    np.testing.assert_allclose(pixels, 100, atol=4)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
def test_a_picture_is_turned_as_the_camera_says(save, orientation, expected):
    exif = Image.Exif()
    exif[0x0112] = orientation

    assert corners(save(quarters(), exif=exif)) == expected


# --- modes ------------------------------------------------------------------------------------------------------------


def test_grey_becomes_three_equal_channels(save):
    assert corners(save(Image.new("L", (2, 2), 77))) == [(77, 77, 77)] * 4


def test_colour_becomes_grey_by_brightness(save):
    assert read_square(save(quarters()), 2, 1).tolist() == [[[76, 150], [29, 255]]]  # 0.299, 0.587 and 0.114 of 255


def test_black_and_white_is_0_and_255(save):
    picture = Image.new("1", (2, 2))
    picture.putpixel((1, 0), 1)

    assert read_square(save(picture), 2, 1).tolist() == [[[0, 255], [0, 0]]]


def test_black_and_white_is_smoothed_when_shrunk(save):
    picture = Image.fromarray(np.indices((32, 32)).sum(axis=0) % 2 == 0)

    assert picture.mode == "1"
    np.testing.assert_allclose(read_square(save(picture), 8, 1), 127.5, atol=6)


@pytest.mark.parametrize("colour", [(255, 0, 0, 0), (255, 255, 255, 255)])
def test_what_is_transparent_is_white(save, colour):
    assert corners(save(Image.new("RGBA", (2, 2), colour))) == [WHITE] * 4


def test_half_transparent_red_on_white_is_pink(save):
    assert corners(save(Image.new("RGBA", (2, 2), (255, 0, 0, 51)))) == [(255, 204, 204)] * 4


def test_half_transparent_black_of_a_grey_picture_is_light_grey(save):
    assert read_square(save(Image.new("LA", (2, 2), (0, 51))), 2, 1).tolist() == [[[204, 204], [204, 204]]]


def test_a_palette_is_looked_up(save):
    path = save(quarters().quantize(4))

    assert pillows(path, "mode") == "P"
    assert corners(path) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("form", [1, b"\xff\x00\xff\xff"])
def test_a_transparent_entry_of_a_palette_is_white(save, form):
    picture = Image.new("P", (2, 2), 1)
    picture.putpalette([*BLUE, *RED, *GREEN, *BLUE])
    picture.putpixel((0, 0), 0)

    assert corners(save(picture, transparency=form)) == [BLUE, WHITE, WHITE, WHITE]


def test_a_transparent_colour_of_a_picture_without_alpha_is_white(save):
    assert corners(save(quarters(), transparency=RED)) == [WHITE, GREEN, BLUE, WHITE]


def test_inks_become_colours_by_the_plain_formula(save):
    path = save(Image.new("CMYK", (2, 2), (0, 255, 255, 51)), "picture.tif")

    assert pillows(path, "mode") == "CMYK"
    assert corners(path) == [(204, 0, 0)] * 4
    assert read_square(path, 2, 1).tolist() == [[[61, 61], [61, 61]]]  # 0.299 of 204


def test_a_jpeg_of_inks_is_read_too(save):
    path = save(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "picture.jpg", quality=95)

    np.testing.assert_allclose(corners(path), [RED] * 4, atol=4)


@pytest.mark.parametrize("name", ["picture.png", "picture.tif"])
def test_sixteen_bits_of_grey_are_rounded_to_eight(save, name):
    values = np.array([[0, 128], [129, 65535]], np.uint16)  # 128 / 257 rounds to 0, 129 / 257 to 1

    path = save(Image.fromarray(values), name)

    assert pillows(path, "mode").startswith("I;16")
    assert read_square(path, 2, 1).tolist() == [[[0, 0], [1, 255]]]


def test_wide_integers_that_fit_into_sixteen_bits_are_taken_for_such(save):
    values = np.array([[0, 257], [514, 65535]], np.int32)

    assert read_square(save(Image.fromarray(values), "picture.tif"), 2, 1).tolist() == [[[0, 1], [2, 255]]]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.array([[0, 65536]], np.int32), "its grey values need more than 16 bits"),
        (np.array([[-1, 0]], np.int32), "its grey values need more than 16 bits"),
        (np.array([[0.0, 0.5]], np.float32), "its grey values are floats"),
    ],
)
def test_numbers_without_a_defined_white_are_refused(save, values, why):
    path = save(Image.fromarray(values), "picture.tif")

    with pytest.raises(BadImageError, match=f"{path.name}' cannot be read: {why}, and which one is white is not defined"):
        read_square(path, 8, 1)


def test_lightness_and_colour_axes_are_converted(save):
    path = save(Image.new("LAB", (2, 2), (255, 128, 128)), "picture.tif")

    assert pillows(path, "mode") == "LAB"
    np.testing.assert_allclose(corners(path), [WHITE] * 4, atol=2)


@pytest.mark.parametrize("name", ["picture.gif", "picture.png", "picture.webp"])
def test_of_an_animation_the_first_frame_counts(save, name):
    frames = [Image.new("RGB", (2, 2), colour) for colour in (RED, BLUE)]
    options = {"lossless": True} if name.endswith("webp") else {}
    path = save(frames[0], name, save_all=True, append_images=frames[1:], **options)

    assert pillows(path, "n_frames") == 2
    assert corners(path) == [RED] * 4


# --- faults -----------------------------------------------------------------------------------------------------------


def test_an_empty_file_is_told(tmp_path):
    path = tmp_path / "empty.png"
    path.touch()

    with pytest.raises(BadImageError, match=r"the picture '.*empty.png' cannot be read: the file is empty") as caught:
        check_header(path)

    assert caught.value.code == "GR303"
    assert caught.value.exit_code == 4
    assert caught.value.at == str(path)


def test_a_text_with_the_name_of_a_picture_is_told(tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_text("no picture at all")

    with pytest.raises(BadImageError, match=r"notes.jpg' cannot be read: its content is no picture that Pillow knows"):
        check_header(path)


@pytest.mark.parametrize("name", ["picture.png", "picture.jpg", "picture.gif", "picture.webp", "picture.bmp"])
def test_a_picture_cut_in_half_passes_by_its_header_and_is_told_when_it_is_read(save, name):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = save(Image.fromarray(noise), name)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    if not name.endswith("webp"):  # whose header holds the length of the file
        check_header(path)

    with pytest.raises(BadImageError, match=f"{name}' cannot be read: "):
        read_square(path, 8, 3)


def test_a_damaged_picture_is_told_with_the_decoders_words(save):
    path = save(Image.new("RGB", (32, 32)))
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 4] ^= 0xFF
    path.write_bytes(content)

    with pytest.raises(BadImageError, match=r"picture.png' cannot be read: broken data stream"):
        read_square(path, 8, 3)


def test_a_file_that_went_away_is_told(tmp_path):
    with pytest.raises(BadImageError, match=r"gone.png' cannot be read: .*No such file"):
        read_square(tmp_path / "gone.png", 8, 3)


@pytest.mark.parametrize("side", [9_460, 60_000])  # just above Pillow's limit, and far beyond twice of it
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_header_that_promises_too_many_pixels_is_refused(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(header_of_png(side, side))

    with pytest.raises(ImageTooLargeError, match=r"bomb.png' is too large to decode: .* at most 89,478,485 pixels") as caught:
        check_header(path)

    assert caught.value.code == "GR304"


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_a_warning_of_pillow_made_an_error_says_the_same(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(header_of_png(9_460, 9_460))

    with pytest.raises(ImageTooLargeError, match=r"bomb.png' is too large to decode"):
        check_header(path)


def test_a_comment_that_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(header_of_png(8, 8, (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**26), 9))))

    with pytest.raises(BadImageError, match=r"bomb.png' cannot be read: Decompressed data too large"):
        check_header(path)


def test_the_limit_holds_for_a_program_that_lifted_pillows(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    path = tmp_path / "bomb.png"
    path.write_bytes(header_of_png(60_000, 60_000))

    with pytest.raises(ImageTooLargeError, match="60000 x 60000"):
        read_square(path, 8, 3)


def test_as_many_pixels_as_the_limit_are_let_through_by_the_header(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(header_of_png(MAX_PIXELS // 9_459, 9_459))

    check_header(path)


def test_formats_that_run_programs_or_are_no_pictures_are_not_read(tmp_path):
    path = tmp_path / "program.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")

    assert "EPS" not in formats()
    with pytest.raises(BadImageError, match="no picture that Pillow knows"):
        check_header(path)


def test_the_usual_endings_are_pictures_and_others_are_not():
    assert extensions() >= {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm"}
    assert not extensions() & {".txt", ".pdf", ".h5", ".eps", ".mpg", ".npz", ""}


# --- large JPEGs ------------------------------------------------------------------------------------------------------


def test_a_jpeg_that_its_decoder_shrinks_first_looks_as_if_it_had_not(save, monkeypatch):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (32, 40, 3), np.uint8)).resize((640, 512), Image.Resampling.BICUBIC)
    path = save(noise, "photo.jpg", quality=92)
    shrunk = read_square(path, 64, 3).astype(int)
    monkeypatch.setattr(Image.Image, "draft", lambda *_: None)
    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.draft", lambda *_: None)
    whole = read_square(path, 64, 3).astype(int)

    assert 0 < np.sqrt(((shrunk - whole) ** 2).mean()) < 1.5  # of 255


def test_a_jpeg_that_is_hardly_too_large_is_decoded_whole(save, monkeypatch):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (255, 300, 3), np.uint8))
    path = save(noise, "photo.jpg", quality=92)
    shrunk = read_square(path, 64, 3)
    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.draft", lambda *_: None)

    assert (read_square(path, 64, 3) == shrunk).all()
