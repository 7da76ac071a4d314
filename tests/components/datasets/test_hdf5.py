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
