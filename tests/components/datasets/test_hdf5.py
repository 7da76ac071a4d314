import os
import pickle
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from ganreg.components.datasets.hdf5 import HDF5
from ganreg.contracts import Dataset, DataSpec
from ganreg.engine.data import source_of
from ganreg.errors import ArchiveError, BadSampleError, DataError, UsageError

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 3, 8, 10), np.uint8)
LABELS = np.arange(12) % 3


@pytest.fixture
def saved(tmp_path):
    h5py = pytest.importorskip("h5py")

    def saved(name="data.h5", **arrays):
        with h5py.File(tmp_path / name, "w") as file:
            for key, value in arrays.items():
                file.create_dataset(key.replace("__", "/"), data=value, chunks=True, compression="gzip")
        return tmp_path / name

    return saved


def test_images_are_read_when_they_are_asked_for(saved):
    data = HDF5(path=saved(images=IMAGES, labels=LABELS))

    assert isinstance(data, Dataset)
    assert data.spec == DataSpec((3, 8, 10), 3, (-1.0, 1.0))
    assert (len(data), data.classes, data.labels.tolist()) == (12, ("0", "1", "2"), LABELS.tolist())
    sample, label = data[-1]
    assert label == 2
    torch.testing.assert_close(sample, torch.from_numpy(IMAGES[11] / np.float32(127.5) - 1))
    assert torch.equal(data.as_bytes(3)[0], torch.from_numpy(IMAGES[3]))
    assert source_of(data).as_bytes
    with pytest.raises(IndexError, match="index 12 of a data set of 12"):
        data[12]


def test_groups_names_and_floats(saved):
    floats = IMAGES.transpose(0, 2, 3, 1) / 127.5 - 1
    path = saved(train__images=floats, train__kinds=np.array([b"cat", b"dog"] * 6))
    data = HDF5(path=path, images="train/images", labels="train/kinds")

    assert data.classes == ("cat", "dog")
    assert not hasattr(data, "as_bytes")
    torch.testing.assert_close(data[5][0], torch.from_numpy(floats[5].transpose(2, 0, 1)).float())
    with pytest.raises(DataError, match=r"there is no array 'images' in it; there are: train, train/images, train/kinds"):
        HDF5(path=path)
    with pytest.raises(DataError, match="that is a group"):
        HDF5(path=path, images="train")


def test_text_of_any_length_labels(saved):
    h5py = pytest.importorskip("h5py")
    path = saved(images=IMAGES)
    with h5py.File(path, "a") as file:
        file["labels"] = ["wolf", "ape", "ape"] * 4

    data = HDF5(path=path)
    assert (data.classes, data.labels.tolist()[:3]) == (("ape", "wolf"), [1, 0, 0])


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.nightly)])
def test_worker_processes_open_the_file_for_themselves(saved, context):
    data = HDF5(path=saved(images=IMAGES, labels=LABELS))
    data[0]  # the main process has it open
    loader = DataLoader(data, batch_size=4, num_workers=2, multiprocessing_context=context)
    read = torch.cat([images for images, _ in loader])

    torch.testing.assert_close(read, torch.from_numpy(IMAGES / np.float32(127.5) - 1))
    assert torch.equal(pickle.loads(pickle.dumps(data)).as_bytes(1)[0], data.as_bytes(1)[0])


def test_its_fingerprint_sees_other_labels_images_and_settings(saved):
    prints = {
        HDF5(path=saved(f"{number}.h5", images=images, labels=labels), resolution=resolution).fingerprint()
        for number, (images, labels, resolution) in enumerate(
            [(IMAGES, LABELS, None), (IMAGES, LABELS, 8), (IMAGES, LABELS[::-1], None), (IMAGES[::-1], LABELS, None)]
        )
    }
    assert len(prints) == 4
    assert HDF5(path=saved("a.h5", images=IMAGES)).fingerprint() == HDF5(path=saved("b.h5", images=IMAGES)).fingerprint()


def test_links_to_other_files_are_refused(saved, tmp_path):
    h5py = pytest.importorskip("h5py")
    other = saved("other.h5", images=IMAGES)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["images"] = h5py.ExternalLink(str(other), "images")
    layout = h5py.VirtualLayout(IMAGES.shape, np.uint8)
    layout[:] = h5py.VirtualSource(str(other), "images", IMAGES.shape)
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("images", layout)
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file.create_dataset("images", (1, 8, 8), np.uint8, external=[(str(other), 0, 64)])

    for name in ("link", "virtual", "raw"):
        with pytest.raises(ArchiveError, match="to another file"):
            HDF5(path=tmp_path / f"{name}.h5")


def test_no_link_is_followed(tmp_path):  # behind the second, a pipe that opening would wait for
    h5py = pytest.importorskip("h5py")
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["real/images"] = IMAGES
        file["linked"] = h5py.SoftLink("/real")
        file["away"] = h5py.ExternalLink(str(tmp_path / "pipe"), "/")
        file["images"] = h5py.SoftLink("/away/x")
        file["round"] = h5py.SoftLink("/round")

    for name in ("images", "round"):
        with pytest.raises(ArchiveError, match="is a link, expected the data") as caught:
            HDF5(path=tmp_path / "a.h5", images=name)
        assert caught.value.code == "GR307"
    assert len(HDF5(path=tmp_path / "a.h5", images="real/images")) == 12


def test_more_than_the_file_holds_is_refused_unread(tmp_path):
    h5py = pytest.importorskip("h5py")
    made = {
        "large": lambda file: file.create_dataset("images", (4, 30_000, 30_000, 3), "u1", chunks=(1, 30_000, 30_000, 1)),
        "many": lambda file: file.create_dataset("images", (2**40, 8, 8), "u1", chunks=(1, 8, 8)),
        "chunk": lambda file: file.create_dataset(
            "images", (2, 8, 8), "u1", chunks=(2**21, 8, 8), maxshape=(None, 8, 8), compression="gzip"
        ),
    }
    for name, make in made.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            make(file)
    with pytest.raises(DataError, match=r"the images are too large: 30000 x 30000, and at most 89,478,485 pixels are read"):
        HDF5(path=tmp_path / "large.h5")
    with pytest.raises(ArchiveError, match=r"the data set promises 70,368,744,177,664 bytes and has 0"):
        HDF5(path=tmp_path / "many.h5")
    with pytest.raises(ArchiveError, match="the data set promises 134,217,728 bytes"):
        HDF5(path=tmp_path / "chunk.h5")


def test_labels_are_judged_before_they_are_read(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = IMAGES
        file.create_dataset("labels", (10**13,), "i8", chunks=(1024,))
        file.create_dataset("long", (12,), "S100000000", chunks=(1,))

    with pytest.raises(DataError, match=r"expected 12 labels, one for each image, got an array of shape \[10000000000000\]"):
        HDF5(path=tmp_path / "a.h5")
    with pytest.raises(ArchiveError, match=r"the data set promises 1,200,000,000 bytes and has 0"):
        HDF5(path=tmp_path / "a.h5", labels="long")


def test_what_holds_no_numbers_is_the_files_fault(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = h5py.Empty("u1")
        file["none"] = IMAGES[:0]
        space = h5py.h5s.create_simple((2, 8, 8))
        h5py.h5d.create(file.id, b"times", h5py.h5t.UNIX_D32LE, space)

    for name, what in (("images", "the data set is empty"), ("times", "cannot be read"), ("none", "the array holds no image")):
        with pytest.raises(DataError, match=what) as caught:
            HDF5(path=tmp_path / "a.h5", images=name)
        assert caught.value.exit_code == 4


def test_damage_is_told(saved, tmp_path):
    content = bytearray(saved("whole.h5", images=IMAGES).read_bytes())
    (tmp_path / "cut.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(ArchiveError, match="the HDF5 file cannot be read"):
        HDF5(path=tmp_path / "cut.h5")
    place = content.rindex(b"\x78\x5e")  # where the last image begins, packed
    content[place : place + 40] = bytes(40)
    (tmp_path / "damaged.h5").write_bytes(content)
    data = HDF5(path=tmp_path / "damaged.h5")
    with pytest.raises(BadSampleError, match="cannot be read"):
        [data[index] for index in range(12)]


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setattr("ganreg.extras.find_spec", lambda name: None)

    with pytest.raises(UsageError, match="dataset 'hdf5' needs h5py, which is not installed") as caught:
        HDF5(path=tmp_path / "data.h5")
    assert caught.value.fix == "pip install 'ganreg[hdf5]'"


@pytest.mark.usefixtures("saved")
def test_what_is_no_file_is_told(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"nothing")
    for path, what in (
        (tmp_path / "gone.h5", "no HDF5 file at"),
        (tmp_path, "is no file"),
        (tmp_path / "a.h5", "cannot be read"),
    ):
        with pytest.raises(DataError, match=what):
            HDF5(path=path)


def test_a_file_that_was_written_anew_is_known_though_its_fingerprint_is_the_same(saved):
    path = saved(images=IMAGES)
    first = HDF5(path=path)
    os.utime(path, ns=(1, 1))
    again = HDF5(path=path)

    assert first.fingerprint() == again.fingerprint()
    assert first.written() != again.written() == HDF5(path=path).written() == pickle.loads(pickle.dumps(again)).written()


def test_a_file_that_was_replaced_by_one_of_the_same_time_is_known(saved):
    path = saved(images=IMAGES)
    other = path.with_suffix(".other")
    other.write_bytes(path.read_bytes())
    for one in (path, other):
        os.utime(one, ns=(1, 1))
    first = HDF5(path=path).written()
    other.replace(path)

    assert HDF5(path=path).written() != first
