import numpy as np
import pytest
import torch

from ganreg.components.datasets.arrays import Shaper, class_numbers, layout, numbers
from ganreg.errors import BadSampleError, DataError

BYTES = np.dtype(np.uint8)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 8, 9), ((1, 8, 9), True)),
        ((5, 8, 9, 3), ((3, 8, 9), True)),
        ((5, 8, 9, 1), ((1, 8, 9), True)),
        ((5, 4, 8, 9), ((4, 8, 9), False)),
        ((0, 3, 8, 8), ((3, 8, 8), False)),
    ],
)
def test_layouts_are_told_by_where_the_channels_are(shape, expected):
    assert layout(shape, BYTES, "x") == expected


@pytest.mark.parametrize(
    ("shape", "dtype", "what"),
    [
        ((5, 7, 9), "u1", r"an array of shape \[5, 7, 9\] holds no images"),
        ((5, 8, 9, 2), "u1", "holds no images"),
        ((5,), "u1", "holds no images"),
        ((5, 3, 8, 8, 1), "u1", "holds no images"),
        ((5, 8, 8), "i8", "images must be uint8 or floats, got int64"),
        ((5, 8, 8), "?", "images must be uint8 or floats, got bool"),
        ((5, 8, 8), "c8", "images must be uint8 or floats, got complex64"),
    ],
)
def test_what_is_no_images_is_refused(shape, dtype, what):
    with pytest.raises(DataError, match=what):
        layout(shape, np.dtype(dtype), "x")


@pytest.mark.parametrize("last", [True, False])
def test_one_and_all_give_the_same_samples(last):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 10, 3) if last else (4, 3, 8, 10), np.uint8)
    shaper = Shaper(images.shape, images.dtype, None, "x")
    samples = shaper.samples(images)

    assert shaper.spec(0).shape == (3, 8, 10)
    assert samples.dtype == torch.uint8
    assert torch.equal(samples, torch.stack([shaper.sample(image) for image in images]))
    assert np.array_equal(samples.numpy(), images.transpose(0, 3, 1, 2) if last else images)


def test_bytes_are_cut_and_resized_where_a_resolution_is_asked_for():
    images = np.zeros((2, 16, 20), np.uint8)
    images[1, :, 2:18] = 255
    shaper = Shaper(images.shape, images.dtype, 8, "x")

    assert shaper.spec(0).shape == (1, 8, 8)
    assert shaper.samples(images)[1].min() == 255
    with pytest.raises(DataError, match="floats are not resized, they are 16 x 20"):
        Shaper(images.shape, np.dtype("f4"), 8, "x")
    assert Shaper((2, 8, 8), np.dtype("f4"), 8, "x").spec(0).shape == (1, 8, 8)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
def test_floats_from_minus_1_to_1_are_taken_as_they_are(dtype):
    images = np.linspace(-1, 1, 2 * 64).reshape(2, 8, 8).astype(dtype)
    samples = Shaper(images.shape, images.dtype, None, "x").samples(images)

    assert samples.dtype == torch.float32
    torch.testing.assert_close(samples[:, 0], torch.from_numpy(images.astype(np.float32)))
    assert numbers(samples) is samples


@pytest.mark.parametrize("odd", [1.1, -255.0, np.nan, np.inf])
def test_other_floats_are_refused(odd):
    images = np.zeros((2, 8, 8), np.float32)
    images[1, 3, 3] = odd
    shaper = Shaper(images.shape, images.dtype, None, "x")

    for read in (lambda: shaper.samples(images), lambda: shaper.sample(images[1])):
        with pytest.raises(BadSampleError, match="floats must be from -1 to 1, got"):
            read()


def test_labels_are_numbers_or_names():
    assert class_numbers(np.array([2, 0]), 2, "x")[1] == ("0", "1", "2")
    found, classes = class_numbers(np.array([[b"dog"], [b"cat"], [b"dog"]]), 3, "x")
    assert (found.tolist(), classes) == ([1, 0, 1], ("cat", "dog"))
    assert found.dtype == torch.int64
    assert class_numbers(np.array(["hüh", "hott"]).astype("U4"), 2, "x")[1] == ("hott", "hüh")
    assert class_numbers(np.array(["hüh".encode(), b"hott"]), 2, "x")[1] == ("hott", "hüh")


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        (np.zeros((3, 10), int), r"expected 3 labels, one for each image, got an array of shape \[3, 10\]"),
        (np.zeros(4, int), "expected 3 labels"),
        (np.array([0, -1, 1]), "labels must be from 0 to 65535, got -1 to 1"),
        (np.array([0, 2**40, 1]), "got 0 to 1099511627776"),
        (np.zeros(3), "labels must be whole numbers or names, got float64"),
        (np.zeros(3, bool), "got bool"),
        (np.array(["hüh".encode("latin-1"), b"hott", b"a"]), "a label is no text in UTF-8"),
    ],
)
def test_what_is_no_labels_is_refused(labels, what):
    with pytest.raises(DataError, match=what):
        class_numbers(labels, 3, "x")
