"""What the doctor says of a folder of photos as people have them, and of every fault that it looks for."""

import json

import numpy as np
import pytest
from PIL import Image

from ganreg.components.datasets.image_folder import ImageFolder
from ganreg.components.datasets.npz import Npz
from ganreg.data.doctor import examine, training
from ganreg.data.looking import LARGE, look
from ganreg.data.samples import examine_samples, images_per_second
from ganreg.errors import BadImageError, DataError
from tests.components.datasets.archives import archive, picture
from tests.messy import BAD, messy


@pytest.fixture
def paint(tmp_path):
    def paint(name, shade=128, size=(8, 8), mode="L"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size, shade).save(path)
        return path

    return paint


def test_photos_of_every_kind_are_told_apart(tmp_path):
    found = examine(messy(tmp_path / "photos", 40, 24), "image-folder", resolution=16)

    assert (found.images, found.readable, found.others) == (45, 41, {".txt": 1})
    assert sorted(name.rpartition("/")[2] for name in found.bad) == sorted(BAD)
    assert "truncated" in found.bad["dogs/truncated.jpg"].lower()
    assert "too large to decode" in found.bad["cats/bomb.png"]
    assert found.bad["dogs/empty.png"] == "the file is empty"
    assert found.formats == {"PNG": 17, "JPEG": 16, "GIF": 4, "WEBP": 4}
    assert found.modes == {"RGB": 17, "P": 8, "L": 4, "RGBA": 4, "CMYK": 4, "I;16": 4}
    assert found.changes["turned as the camera says"] == 4
    assert found.changes["converted to RGB"] == 24
    assert found.classes == {"cats": 21, "dogs": 20}
    assert found.duplicates == [["cats/0000.png", "cats/again.png"]]
    assert found.why_not == ""
    assert found.command.endswith("--resolution 16 --dataset.on-bad skip --batch-size 32")
    assert json.loads(json.dumps(found.plain()))["trainable"] is True


def test_what_becomes_of_a_picture_at_a_resolution(paint, tmp_path):
    paint("1.png", size=(16, 16), mode="RGB"), paint("2.png", size=(8, 20)), paint("3.png", size=(40, 30), mode="RGB")
    found = examine(tmp_path, "image-folder", resolution=16)

    assert found.changes == {
        "cropped to the centred square": 2,
        "enlarged": 1,
        "shrunk": 1,
        "converted to RGB": 1,
        "turned as the camera says": 0,
        "first frame of several": 0,
    }
    assert found.sizes == {"smallest": [8, 20], "median": [16, 20], "largest": [40, 30], "different": 3}


def test_equal_pixels_are_duplicates_in_whatever_format(paint, tmp_path):
    paint("a.png", 10), paint("b.bmp", 10), paint("c.png", 11), paint("d.png", 10, (8, 9)), paint("e.png", 11)

    assert examine(tmp_path, "image-folder", resolution=8).duplicates == [["a.png", "b.bmp"], ["c.png", "e.png"]]


def test_a_large_picture_is_known_by_its_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("ganreg.data.looking.LARGE", 10)
    for name, form in (("a", "png"), ("b", "bmp"), ("c", "png")):
        Image.new("L", (8, 8)).save(tmp_path / f"{name}.{form}")

    assert LARGE > 10**7
    assert examine(tmp_path, "image-folder", resolution=8).duplicates == [["a.png", "c.png"]]


def test_an_animation_is_told(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "b.png").write_bytes(picture())

    assert examine(tmp_path, "image-folder", resolution=8).changes["first frame of several"] == 1


def test_links_and_pipes_are_bad_and_not_waited_for(paint, tmp_path):
    paint("1.png", 1), paint("2.png", 2), paint("3.png", 3)
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    found = examine(tmp_path, "image-folder", resolution=8)

    assert found.bad == {"gone.png": "No such file or directory"}
    assert found.readable == 3
    with pytest.raises(BadImageError, match="No such file or directory"):
        ImageFolder(path=tmp_path)
    with pytest.warns(UserWarning, match="1 of 4 pictures cannot be read and are left out: gone.png"):
        assert len(ImageFolder(path=tmp_path, resolution=8, on_bad="skip")) == 3


def test_labels_that_do_not_fit_mean_no_training(paint, tmp_path):
    paint("1.png", 1), paint("2.png", 2)
    (tmp_path / "labels.csv").write_text("file,label\n1.png,cat\n")
    asked = examine(tmp_path, "image-folder", resolution=8, labels="labels.csv")
    unasked = examine(tmp_path, "image-folder", resolution=8)

    assert asked.why_not == "1 of 2 pictures have no label, the first is '2.png'"
    assert asked.command == ""
    assert unasked.why_not == ""
    assert unasked.notes == ["labels.csv lies beside the pictures and is not read: --labels labels.csv"]


def test_labels_that_fit_are_counted_and_part_of_the_command(paint, tmp_path):
    paint("1.png", 1), paint("2.png", 2)
    (tmp_path / "l.csv").write_text("file,label\n1.png,2\n2.png,0\n")
    found = examine(tmp_path, "image-folder", resolution=8, labels="l.csv")

    assert (found.labels, found.classes) == ("l.csv", {"0": 1, "1": 0, "2": 1})
    assert found.notes == ["1 classes have no picture: 1"]
    assert "--dataset.labels l.csv --batch-size 2" in found.command


def test_an_archive_is_examined_in_place(tmp_path):
    said = '{"labels": [["1.png", 1], ["2.png", 0]], "classes": ["ape", "bee"]}'
    path = archive(tmp_path / "d.zip", {"1.png": picture(1), "2.png": picture(2), "x.png": b"no", "dataset.json": said})
    found = examine(path, "image-zip", resolution=8)

    assert (found.labels, found.classes) == ("dataset.json", {"ape": 1, "bee": 1})
    assert list(found.bad) == ["x.png"]
    assert found.readable == 2


@pytest.mark.parametrize(
    ("whole", "broken", "why"),
    [(1, 0, "1 of 1 pictures can be read"), (0, 3, "0 of 3 pictures can be read"), (2, 3, "3 of 5 pictures cannot be read")],
)
def test_too_little_that_can_be_read_means_no_training(paint, tmp_path, whole, broken, why):
    for number in range(whole):
        paint(f"{number}.png", number)
    for number in range(broken):
        (tmp_path / f"bad{number}.png").write_bytes(b"no")
    found = examine(tmp_path, "image-folder", resolution=8)

    assert (found.why_not, found.command) == (why, "")


def test_many_bad_pictures_are_allowed_by_the_command(paint, tmp_path):
    for number in range(80):
        paint(f"{number}.png", number)
    for number in range(11):
        (tmp_path / f"bad{number}.png").write_bytes(b"no")

    assert "--dataset.on-bad skip --dataset.max-bad 11" in examine(tmp_path, "image-folder", resolution=8).command


def test_a_picture_is_looked_at_as_training_would_read_it(tmp_path):
    (tmp_path / "a.png").write_bytes(picture(7, (9, 8)))
    seen = look(ImageFolder(path=tmp_path)._files, "a.png")

    assert (seen.form, seen.mode, seen.width, seen.height, seen.turned, seen.why) == ("PNG", "L", 9, 8, False, "")


class Samples:
    """A data set of four, of which the third raises."""

    def __init__(self, images, bad=()):
        import torch

        from ganreg.contracts import DataSpec

        self.images, self.bad = torch.from_numpy(images), bad
        self.spec = DataSpec(tuple(images.shape[1:]), 2, (-1.0, 1.0))
        self.classes, self.labels = ("a", "b"), torch.tensor([0, 1] * (len(images) // 2))

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        if index in self.bad:
            raise DataError("it is broken", at="x", fix="mend it")
        return self.images[index] / 127.5 - 1, int(self.labels[index])


def test_any_data_set_is_examined_sample_by_sample():
    images = np.random.default_rng(0).integers(0, 256, (4, 1, 8, 8), np.uint8)
    images[1], images[3] = images[0], 9
    found = examine_samples(Samples(images), "data.npz", "npz", None)

    assert (found.images, found.readable, found.classes, found.labels) == (4, 4, {"a": 2, "b": 2}, "labels")
    assert found.duplicates == [["[0]", "[1]"]]
    assert found.notes == ["1 pictures have one colour everywhere"]
    assert found.command == "ganreg train --data data.npz --batch-size 4"
    broken = examine_samples(Samples(images, bad=(2,)), "data.npz", "npz", None)
    assert broken.bad == {"[2]": "it is broken"}
    assert broken.why_not == "1 of 4 pictures cannot be read"


def test_the_loader_is_measured_decoding_each_anew(paint, tmp_path):
    for number in range(4):
        paint(f"{number}.png", number)
    data = ImageFolder(path=tmp_path, resolution=8)

    assert images_per_second(data, workers=0, seconds=0.1) > 10
    assert data._decoded == {}


def test_the_command_that_trains_asks_for_no_batch_that_is_larger_than_the_data():
    assert training("my photos", 301, resolution=64) == "ganreg train --data 'my photos' --resolution 64"
    assert training("a.npz", 61, resolution=None, words=["--x", "1"]) == "ganreg train --data a.npz --x 1 --batch-size 32"


def test_the_command_is_of_a_size_that_the_default_networks_make(paint, tmp_path):
    paint("1.png", 1, (100, 100)), paint("2.png", 2, (100, 100))
    found = examine(tmp_path, "image-folder", resolution=100)

    assert found.why_not == ""
    assert "--resolution 96" in found.command
    assert found.notes == ["the default networks make no images of 100 x 100; 96 x 96 is the nearest that they make"]


def test_arrays_of_an_odd_size_are_resized_where_they_can_be(tmp_path):
    for images, words in ((np.zeros((4, 9, 9), np.uint8), "--resolution 8"), (np.zeros((4, 9, 9), "f4"), "--generator mlp")):
        np.savez(tmp_path / "a.npz", images=images)
        found = examine_samples(Npz(path=tmp_path / "a.npz"), "a.npz", "npz", None)
        assert found.command == f"ganreg train --data a.npz {words} --batch-size 4"
