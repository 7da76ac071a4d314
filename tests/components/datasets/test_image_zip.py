import json
import pickle

import pytest
import torch
from torch.utils.data import DataLoader

from ganreg.components.datasets.image_folder import ImageFolder
from ganreg.components.datasets.image_zip import ImageZip
from ganreg.contracts import Dataset, DataSpec
from ganreg.engine.data import Batches, source_of
from ganreg.errors import BadImageError, DataError, ImageTooLargeError
from tests.components.datasets.archives import archive, picture


@pytest.fixture
def zipped(tmp_path):
    def zipped(members, name="data.zip"):
        return archive(tmp_path / name, members)

    return zipped


def shades(data):
    return [round((sample[0, 0, 0].item() + 1) * 127.5) for sample, _ in (data[i] for i in range(len(data)))]


def test_it_is_what_a_folder_of_the_same_pictures_is(zipped, tmp_path):
    contents = {"cats/2.png": picture(20, (20, 12)), "dogs/1.jpg": picture(90, (9, 9), "JPEG"), "cats/1.png": picture(10)}
    for name, content in contents.items():
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(content)
    folder = ImageFolder(path=tmp_path / "photos", resolution=8, flips=True)
    data = ImageZip(path=zipped(contents), resolution=8, flips=True)

    assert isinstance(data, Dataset)
    assert data.spec == folder.spec == DataSpec((3, 8, 8), 2, (-1.0, 1.0))
    assert data.classes == folder.classes == ("cats", "dogs")
    assert data.labels.tolist() == folder.labels.tolist() == [0, 0, 1] * 2
    for index in range(6):
        torch.testing.assert_close(data[index], folder[index], rtol=0, atol=0)


def test_dataset_json_tells_the_labels(zipped):
    said = {"labels": [["00000/img00000000.png", 3], ["00000/img00000001.png", 0]]}
    data = ImageZip(
        path=zipped(
            {"00000/img00000000.png": picture(1), "00000/img00000001.png": picture(2), "dataset.json": json.dumps(said)}
        )
    )

    assert data.spec.num_classes == 4
    assert data.labels.tolist() == [3, 0]


@pytest.mark.parametrize("more", [{}, {"dataset.json": '{"labels": null}'}])
def test_numbered_folders_are_no_classes(zipped, more):
    data = ImageZip(path=zipped({"00000/img00000000.png": picture(), "00001/img00001000.png": picture(), **more}))

    assert (data.classes, data.spec.num_classes) == ((), 0)


def test_another_file_of_labels_and_none(zipped):
    path = zipped(
        {"a/1.png": picture(), "b/2.png": picture(), "l.csv": "file,label\na/1.png,7\nb/2.png,7\n", "dataset.json": "{}"}
    )

    assert ImageZip(path=path, labels="l.csv").labels.tolist() == [7, 7]
    assert ImageZip(path=path, labels=None).classes == ("a", "b")
    with pytest.raises(DataError, match="2 of 2 pictures have no label"):
        ImageZip(path=path)
    with pytest.raises(DataError, match=r"the archive holds no 'other.csv'"):
        ImageZip(path=path, labels="other.csv")


def test_bad_pictures_stop_or_are_left_out(zipped):
    bomb = b"P5 60000 60000 255\n"
    path = zipped({"1.png": picture(10), "2.png": picture(20)[:-30], "3.pgm": bomb, "4.png": picture(40)})

    with pytest.raises(ImageTooLargeError, match=r"data.zip/3.pgm' is too large"):
        ImageZip(path=path)
    with pytest.raises(BadImageError, match=r"data.zip/2.png' cannot be read"):
        ImageZip(path=path, check_headers=False)[1]
    with pytest.warns(UserWarning, match=r"2 of 4 pictures cannot be read and are left out: 2.png, 3.pgm"):
        data = ImageZip(path=path, on_bad="skip", resolution=8)
    assert shades(data) == [10, 40]


def test_its_fingerprint_is_of_the_content_the_labels_and_the_settings(zipped):
    members = {"1.png": picture(10), "2.png": picture(20), "dataset.json": '{"labels": [["1.png", 0], ["2.png", 1]]}'}
    path = zipped(members)
    first = ImageZip(path=path).fingerprint()

    assert ImageZip(path=zipped(members, "same.zip")).fingerprint() == first
    assert ImageZip(path=path, resolution=32).fingerprint() != first
    assert ImageZip(path=path, labels=None).fingerprint() != first
    assert ImageZip(path=zipped({**members, "2.png": picture(21)})).fingerprint() != first


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.nightly)])
def test_worker_processes_read_by_themselves(zipped, context):
    data = ImageZip(path=zipped({f"{number:02}.png": picture(number) for number in range(40)}), resolution=8)
    assert shades(data) == list(range(40))  # the main process reads first
    loader = DataLoader(data, batch_size=5, num_workers=2, multiprocessing_context=context)

    assert [round((x.item() + 1) * 127.5) for batch, _ in loader for x in batch[:, 0, 0, 0]] == list(range(40))
    assert shades(pickle.loads(pickle.dumps(data))) == list(range(40))


def test_the_engine_reads_bytes_and_gets_the_same_numbers(zipped):
    members = {f"{number}.png": picture(60 + number) for number in range(4)}
    data = ImageZip(path=zipped({**members, "dataset.json": json.dumps({f"{n}.png": n for n in range(4)})}), resolution=8)
    source = source_of(data)
    batches = Batches(source, batch_size=4, seed=0, device=torch.device("cpu"))
    batch = batches.next()

    assert source.as_bytes
    assert not source_of(DataLoader(data)).as_bytes
    assert data.as_bytes(0)[0].dtype == torch.uint8
    assert sorted(batch.labels.tolist()) == [0, 1, 2, 3]
    for real, label in zip(batch.real, batch.labels, strict=True):
        torch.testing.assert_close(real, data[int(label)][0], rtol=0, atol=0)
