import os
import pickle
import threading
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganreg.components.datasets import picture_set
from ganreg.components.datasets.image_folder import ImageFolder
from ganreg.contracts import Dataset, DataSpec
from ganreg.errors import BadImageError, DataError, ImageTooLargeError, SettingsError
from ganreg.settings import model_of, plain, validate


@pytest.fixture
def paint(tmp_path):
    """Paint a picture of one shade of grey below the folder."""

    def paint(name, shade=128, size=(8, 8)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size, shade).save(path)
        return path

    return paint


def shades(data):
    """The byte in the first corner of each picture."""
    return [round((data[index][0][0, 0, 0].item() + 1) * 127.5) for index in range(len(data))]


# --- what is in it ----------------------------------------------------------------------------------------------------


def test_a_picture_becomes_values_from_minus_1_to_1(paint, tmp_path):
    paint("black.png", 0), paint("middle.png", 51), paint("white.png", 255)
    data = ImageFolder(path=tmp_path, resolution=8)

    assert isinstance(data, Dataset)
    assert data.spec == DataSpec(shape=(3, 8, 8), num_classes=0, value_range=(-1.0, 1.0))
    torch.testing.assert_close([data[i][0] for i in range(3)], [torch.full((3, 8, 8), x) for x in (-1.0, -0.6, 1.0)])


def test_pictures_are_found_in_every_depth_and_sorted_by_name(paint, tmp_path):
    paint("b/deep/deeper/2.png", 20), paint("a/1.PNG", 10), paint("c.webp.png", 30), paint("b.png", 15)
    (tmp_path / "notes.txt").write_text("not a picture")

    assert shades(ImageFolder(path=tmp_path, resolution=8)) == [10, 15, 20, 30]


def test_hidden_files_and_folders_are_left_out(paint, tmp_path):
    paint("seen.png", 10), paint(".hidden.png"), paint(".thumbnails/small.png"), paint("a/.cache/old.png")

    assert shades(ImageFolder(path=tmp_path, resolution=8)) == [10]


def test_first_level_folders_are_the_classes_if_every_picture_is_in_one(paint, tmp_path):
    paint("dogs/1.png"), paint("cats/young/2.png"), paint("cats/3.png")
    data = ImageFolder(path=tmp_path, resolution=8)

    assert data.classes == ("cats", "dogs")
    assert data.spec.num_classes == 2
    assert [label for _, label in (data[i] for i in range(3))] == [0, 0, 1]


def test_one_picture_beside_the_folders_means_no_classes(paint, tmp_path):
    paint("dogs/1.png"), paint("cats/2.png"), paint("3.png")
    data = ImageFolder(path=tmp_path, resolution=8)

    assert (data.classes, data.spec.num_classes) == ((), 0)
    assert [label for _, label in (data[i] for i in range(3))] == [0, 0, 0]


def test_one_channel_is_grey(paint, tmp_path):
    paint("1.png", 51)
    data = ImageFolder(path=tmp_path, resolution=16, channels=1)

    assert data.spec.shape == (1, 16, 16)
    torch.testing.assert_close(data[0][0], torch.full((1, 16, 16), -0.6))


def test_with_flips_the_second_half_mirrors_the_first(tmp_path):
    for name, left in (("a", 0), ("b", 200)):
        (tmp_path / name).mkdir()
        picture = Image.new("L", (8, 8), left)
        picture.paste(255, (4, 0, 8, 8))
        picture.save(tmp_path / name / "1.png")
    data = ImageFolder(path=tmp_path, resolution=8, flips=True)

    assert len(data) == 4
    for index in (0, 1):
        torch.testing.assert_close(data[index + 2][0], data[index][0].flip(-1))
        assert not torch.equal(data[index + 2][0], data[index][0])
        assert data[index + 2][1] == data[index][1] == index


def test_indices_count_from_the_end_too_and_stop_there(paint, tmp_path):
    paint("1.png", 10), paint("2.png", 20)
    data = ImageFolder(path=tmp_path, resolution=8, flips=True)

    torch.testing.assert_close(data[-1][0], data[3][0])
    assert sum(1 for _ in data) == 4
    with pytest.raises(IndexError, match="index -5 of a data set of 4"):
        data[-5]


def test_the_home_folder_may_be_written_as_a_tilde(paint, tmp_path, monkeypatch):
    paint("photos/1.png", 10)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert shades(ImageFolder(path="~/photos", resolution=8)) == [10]


def test_a_link_to_a_folder_is_followed_and_one_that_leads_back_up_is_not(paint, tmp_path):
    paint("elsewhere/1.png", 10), paint("photos/2.png", 20)
    (tmp_path / "photos" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "back").symlink_to(tmp_path / "photos")

    assert shades(ImageFolder(path=tmp_path / "photos", resolution=8)) == [20, 10]


# --- memory -----------------------------------------------------------------------------------------------------------


def test_a_picture_is_decoded_once_when_it_is_first_asked_for(paint, tmp_path, monkeypatch):
    paint("1.png", 10), paint("2.png", 20)
    decoded = []
    read_square = picture_set.read_square
    monkeypatch.setattr(
        picture_set, "read_square", lambda path, *rest: (decoded.append(path.name), read_square(path, *rest))[1]
    )
    data = ImageFolder(path=tmp_path, resolution=8, flips=True)
    assert decoded == []

    first = [data[i][0] for i in (1, 3, 0, 1)]
    assert decoded == ["2.png", "1.png"]
    torch.testing.assert_close(first[0], first[3])


def test_what_a_caller_does_to_a_sample_does_not_reach_the_next_one(paint, tmp_path):
    paint("1.png", 51)
    data = ImageFolder(path=tmp_path, resolution=8)
    data[0][0].zero_()

    assert shades(data) == [51]


def test_data_beyond_the_limit_are_decoded_anew_each_time(paint, tmp_path, monkeypatch):
    path = paint("1.png", 10)
    monkeypatch.setattr(picture_set, "CACHE_BYTES", 3 * 8 * 8 - 1)
    data = ImageFolder(path=tmp_path, resolution=8)
    assert shades(data) == [10]
    Image.new("L", (8, 8), 99).save(path)

    assert shades(data) == [99]


def test_a_copy_for_a_worker_process_leaves_the_decoded_pictures_behind(paint, tmp_path):
    paint("1.png", 10, (64, 64))
    data = ImageFolder(path=tmp_path, resolution=64)
    small = len(pickle.dumps(data))
    data[0]

    assert len(pickle.dumps(data)) == small
    assert shades(pickle.loads(pickle.dumps(data))) == [10]


def test_threads_that_ask_at_once_get_the_same_pictures(paint, tmp_path):
    for number in range(8):
        paint(f"{number}.png", number)
    data = ImageFolder(path=tmp_path, resolution=8)
    found = []
    threads = [threading.Thread(target=lambda: found.append(shades(data))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [list(range(8))] * 4


# --- fingerprint ------------------------------------------------------------------------------------------------------


def test_the_fingerprint_is_the_same_wherever_the_folder_lies(paint, tmp_path):
    paint("here/a/1.png"), paint("there/a/1.png")

    assert ImageFolder(path=tmp_path / "here").fingerprint() == ImageFolder(path=tmp_path / "there").fingerprint()


@pytest.mark.parametrize("settings", [{"resolution": 32}, {"channels": 1}, {"flips": True}])
def test_other_settings_have_another_fingerprint(paint, tmp_path, settings):
    paint("1.png")

    assert ImageFolder(path=tmp_path).fingerprint() != ImageFolder(path=tmp_path, **settings).fingerprint()


@pytest.mark.parametrize("change", [lambda f: f.rename(f.with_name("2.png")), lambda f: f.write_bytes(f.read_bytes() + b"\0")])
def test_another_name_or_size_of_a_file_is_another_fingerprint(paint, tmp_path, change):
    file = paint("1.png")
    before = ImageFolder(path=tmp_path).fingerprint()
    change(file)

    assert ImageFolder(path=tmp_path).fingerprint() != before


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_path_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match=r"no folder of pictures at '.*photos': No such file or directory") as caught:
        ImageFolder(path=tmp_path / "photos")

    assert caught.value.code == "GR301"
    assert caught.value.exit_code == 4
    assert caught.value.at == str(tmp_path / "photos")


@pytest.mark.parametrize("path", ["a\0b", "~nobody-of-that-name/photos", "x" * 5000])
def test_a_path_that_cannot_be_is_told(path):
    with pytest.raises(DataError, match="no folder of pictures at"):
        ImageFolder(path=path)


def test_a_file_in_the_place_of_the_folder_is_told(paint):
    with pytest.raises(DataError, match=r"1.png' is a file, expected a folder of pictures"):
        ImageFolder(path=paint("1.png"))


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(DataError, match="holds no file"):
        ImageFolder(path=tmp_path)


def test_a_folder_without_pictures_is_told_with_what_is_in_it(tmp_path):
    for name in ("a.txt", "b.TXT", "sub/c.csv", "README"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")

    with pytest.raises(DataError, match=r"4 files, none of them a picture \(\.txt 2, .*") as caught:
        ImageFolder(path=tmp_path)

    assert ".csv 1" in caught.value.what
    assert "no extension 1" in caught.value.what


def test_a_renamed_text_is_refused_before_training_with_the_first_name_and_the_number(paint, tmp_path):
    paint("1.png"), paint("9.png")
    for name in ("3.jpg", "2.jpg"):
        (tmp_path / name).write_text("no picture")

    with pytest.raises(BadImageError, match=r"2.jpg' cannot be read: .* \(2 of 4 pictures cannot be read") as caught:
        ImageFolder(path=tmp_path)

    assert caught.value.code == "GR303"


def test_without_the_check_it_is_refused_when_it_is_read(paint, tmp_path):
    paint("1.png", 10)
    (tmp_path / "2.jpg").write_text("no picture")
    data = ImageFolder(path=tmp_path, resolution=8, check_headers=False)

    assert data[0][0].shape == (3, 8, 8)
    with pytest.raises(BadImageError, match=r"2.jpg' cannot be read"):
        data[1]


def test_a_truncated_picture_is_refused_when_it_is_read(paint, tmp_path):
    file = paint("1.png", size=(64, 64))
    file.write_bytes(file.read_bytes()[:-30])
    data = ImageFolder(path=tmp_path)

    with pytest.raises(BadImageError, match=r"1.png' cannot be read"):
        data[0]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_before_training(tmp_path):
    (tmp_path / "bomb.pgm").write_bytes(b"P5 60000 60000 255\n")

    with pytest.raises(ImageTooLargeError, match=r"bomb.pgm' is too large to decode") as caught:
        ImageFolder(path=tmp_path)

    assert caught.value.code == "GR304"


def test_a_link_that_leads_nowhere_is_told(tmp_path):
    (tmp_path / "1.png").symlink_to(tmp_path / "gone.png")

    with pytest.raises(BadImageError, match=r"1.png' cannot be read: No such file or directory"):
        ImageFolder(path=tmp_path)


def test_a_pipe_with_the_name_of_a_picture_does_not_make_us_wait(tmp_path):
    os.mkfifo(tmp_path / "1.png")

    with pytest.raises(BadImageError, match=r"1.png' cannot be read: it is no regular file"):
        ImageFolder(path=tmp_path)


def test_a_folder_that_cannot_be_listed_is_told(paint, tmp_path, monkeypatch):
    paint("open/1.png"), paint("shut/2.png")
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)

    with pytest.raises(DataError, match=r"the folder '.*shut' cannot be read: Permission denied"):
        ImageFolder(path=tmp_path)


# --- settings ---------------------------------------------------------------------------------------------------------


def test_settings_come_from_text_and_go_back_to_plain_values():
    model = model_of(ImageFolder)
    settings = validate(model, {"path": "2024", "resolution": "32", "channels": "1", "flips": "true"}, owner="x")

    assert plain(model, settings) == {
        "path": "2024",
        "resolution": 32,
        "channels": 1,
        "flips": True,
        "labels": None,
        "check_headers": True,
        "on_bad": "stop",
        "max_bad": 10,
    }


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({}, "path is missing"),
        ({"path": "x", "resolution": 7}, "resolution must be greater than or equal to 8, got 7"),
        ({"path": "x", "channels": 4}, "channels must be 1 or 3, got 4"),
    ],
)
def test_a_missing_path_or_an_odd_shape_is_refused(settings, fault):
    with pytest.raises(SettingsError, match=fault):
        validate(model_of(ImageFolder), settings, owner="data set 'image-folder'")


def test_bad_pictures_can_be_left_out_and_are_listed(paint, tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        paint(name)
    whole = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.png").write_text("no picture")

    with pytest.warns(UserWarning, match=r"2 of 3 pictures cannot be read and are left out: b.png, c.png"):
        assert len(ImageFolder(path=tmp_path, resolution=8, on_bad="skip")) == 1
    with pytest.raises(BadImageError, match=r"2 of 3 pictures cannot be read, max_bad is 1"):
        ImageFolder(path=tmp_path, resolution=8, on_bad="skip", max_bad=1)


def test_labels_of_all_pictures_are_at_hand_without_decoding_them(paint, tmp_path):
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        paint(name)

    assert ImageFolder(path=tmp_path, resolution=8, flips=True).labels.tolist() == [0, 0, 1, 0, 0, 1]


# --- labels of a file -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.csv", "file,label\na/1.png,1\nb/2.png,0\n"),
        ("dataset.json", '{"labels": [["a/1.png", 1], ["b/2.png", 0]]}'),
    ],
)
def test_a_file_tells_the_labels_instead_of_the_subfolders(paint, tmp_path, name, content):
    paint("a/1.png", 10), paint("b/2.png", 20)
    (tmp_path / name).write_text(content)
    data = ImageFolder(path=tmp_path, resolution=8, labels=name)

    assert data.labels.tolist() == [1, 0]
    assert data.classes == ("0", "1")
    assert [label for _, label in (data[0], data[1])] == [1, 0]
    assert data.fingerprint() != ImageFolder(path=tmp_path, resolution=8).fingerprint()
    assert ImageFolder(path=tmp_path, resolution=8, labels=str(tmp_path / name)).labels.tolist() == [1, 0]


def test_labels_that_are_not_there_or_are_a_pipe_are_told(paint, tmp_path):
    paint("1.png")
    os.mkfifo(tmp_path / "pipe.csv")

    with pytest.raises(DataError, match=r"the labels cannot be read: No such file or directory") as caught:
        ImageFolder(path=tmp_path, labels="labels.csv")
    assert caught.value.fix == "give its name in the folder, or its whole path"
    with pytest.raises(DataError, match=r"'pipe.csv' is no regular file"):
        ImageFolder(path=tmp_path, labels="pipe.csv")


def test_labels_of_bad_pictures_that_are_left_out_need_not_be_there(paint, tmp_path):
    paint("a.png"), paint("b.png")
    (tmp_path / "c.png").write_text("no picture")
    (tmp_path / "labels.csv").write_text("file,label\na.png,x\nb.png,y\n")

    with pytest.warns(UserWarning, match="1 of 3 pictures cannot be read"):
        data = ImageFolder(path=tmp_path, resolution=8, labels="labels.csv", on_bad="skip")
    assert data.labels.tolist() == [0, 1]


def test_what_was_decoded_to_find_bad_pictures_is_not_decoded_again(paint, tmp_path, monkeypatch):
    paint("a.png", 10), paint("c.png", 30)
    (tmp_path / "b.png").write_text("no picture")
    with pytest.warns(UserWarning, match="are left out"):
        data = ImageFolder(path=tmp_path, resolution=8, on_bad="skip")
    monkeypatch.setattr(picture_set, "read_square", None)

    assert shades(data) == [10, 30]
    data.forget()
    with pytest.raises(TypeError):
        data[0]


def test_a_picture_that_was_written_anew_is_known_though_the_fingerprint_is_the_same(tmp_path):
    for name in ("a.bmp", "b.bmp"):
        Image.new("L", (8, 8), 9).save(tmp_path / name)
    first = ImageFolder(path=tmp_path, resolution=8)
    Image.new("L", (8, 8), 7).save(tmp_path / "a.bmp")
    os.utime(tmp_path / "a.bmp", ns=(1, 1))
    again = ImageFolder(path=tmp_path, resolution=8)

    assert first.fingerprint() == again.fingerprint()
    assert first.written() != again.written() == ImageFolder(path=tmp_path, resolution=8).written()


def test_another_picture_of_the_same_size_and_time_is_known(tmp_path):
    """As two archives of packed pictures are unpacked: all of one size, and of 1980."""
    for shade in (9, 7):
        Image.new("L", (8, 8), shade).save(tmp_path / f"{shade}.bmp")
        os.utime(tmp_path / f"{shade}.bmp", ns=(1, 1))
    (tmp_path / "data").mkdir()
    (tmp_path / "9.bmp").rename(tmp_path / "data" / "a.bmp")
    first = ImageFolder(path=tmp_path / "data", resolution=8)
    (tmp_path / "7.bmp").rename(tmp_path / "data" / "a.bmp")

    assert ImageFolder(path=tmp_path / "data", resolution=8).written() != first.written()


def test_pictures_that_are_left_out_have_no_time(tmp_path):
    for name in ("a.bmp", "b.bmp"):
        Image.new("L", (8, 8), 9).save(tmp_path / name)
    alone = ImageFolder(path=tmp_path, resolution=8).written()
    (tmp_path / "aa.bmp").write_bytes(b"no picture")

    with pytest.warns(UserWarning, match="left out: aa.bmp"):
        assert ImageFolder(path=tmp_path, resolution=8, on_bad="skip").written() == alone


def test_labels_at_the_home_of_nobody_are_told(paint, tmp_path):
    Image.new("L", (8, 8), 9).save(tmp_path / "a.bmp")

    with pytest.raises(DataError, match=r"the labels cannot be read: .*home"):
        ImageFolder(path=tmp_path, resolution=8, labels="~nobody-at-all/labels.csv")
