import io
import random
import struct
import zipfile

import numpy as np
import pytest
import torch

from ganreg.components.datasets.npz import Npz
from ganreg.contracts import Dataset, DataSpec
from ganreg.engine.data import source_of
from ganreg.errors import ArchiveError, DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 10, 3), np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture
def saved(tmp_path):
    def saved(save=np.savez, **arrays):
        save(tmp_path / "data.npz", **arrays)
        return tmp_path / "data.npz"

    return saved


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_images_and_labels_are_in_memory_as_tensors(saved, save):
    data = Npz(path=saved(save, images=IMAGES, labels=LABELS))

    assert isinstance(data, Dataset)
    assert data.spec == DataSpec((3, 8, 10), 3, (-1.0, 1.0))
    assert (len(data), data.classes, data.labels.tolist()) == (6, ("0", "1", "2"), LABELS.tolist())
    sample, label = data[4]
    assert label == 1
    torch.testing.assert_close(sample, torch.from_numpy(IMAGES[4].transpose(2, 0, 1) / np.float32(127.5) - 1))
    assert source_of(data).tensors is data.tensors
    assert data.tensors[0].dtype == torch.uint8


def test_labels_may_be_missing_unless_they_were_asked_for(saved):
    path = saved(images=IMAGES, other=LABELS)

    assert Npz(path=path).spec.num_classes == 0
    assert Npz(path=path, labels=None).labels.tolist() == [0] * 6
    assert Npz(path=path, labels="other").spec.num_classes == 3
    with pytest.raises(DataError, match=r"there is no array 'gone' in it; there are: images, other"):
        Npz(path=path, labels="gone")
    with pytest.raises(DataError, match=r"there is no array 'pictures' in it"):
        Npz(path=path, images="pictures")


def test_a_resolution_cuts_and_resizes(saved):
    assert Npz(path=saved(images=IMAGES), resolution=16)[0][0].shape == (3, 16, 16)


def test_its_fingerprint_is_of_the_arrays_and_the_shape(saved):
    first = Npz(path=saved(images=IMAGES, labels=LABELS)).fingerprint()

    assert Npz(path=saved(images=IMAGES, labels=LABELS)).fingerprint() == first
    assert Npz(path=saved(images=IMAGES, labels=LABELS), resolution=8).fingerprint() != first
    assert Npz(path=saved(images=IMAGES, labels=LABELS[::-1])).fingerprint() != first
    assert Npz(path=saved(images=IMAGES[::-1], labels=LABELS)).fingerprint() != first


class Trap:
    """Whoever unpickles it is caught."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize("name", ["images", "labels"])
def test_python_objects_are_never_unpickled(saved, name):  # Q10
    trap = np.array([Trap()] * 6, dtype=object)
    path = saved(**({"images": IMAGES} | {name: trap}))

    with pytest.raises(ArchiveError, match="the array holds Python objects") as caught:
        Npz(path=path)
    assert caught.value.code == "GR307"


def crafted(path, header, content, *, method=zipfile.ZIP_STORED):
    """A file of one array, with a header of our choice."""
    text = repr(header).encode().ljust(118) + b"\n"
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("images.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + content)
    return path


HEADER = {"descr": "|u1", "fortran_order": False, "shape": (6, 8, 8)}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"shape": (2**40, 8, 8)}, "the array promises 70,368,744,177,664 bytes, and there are"),
        ({"shape": (6, 8, -8)}, "the array promises"),
        ({"descr": "|O"}, "holds Python objects"),
        ({"descr": "os.system('x')"}, "the array cannot be read"),
        ({"shape": "x"}, "the array cannot be read"),
        ({"descr": ("<f4",)}, "the array cannot be read"),
        ({"shape": (0, 2**100, 8)}, "the array cannot be read|holds no image"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path, change, what):
    with pytest.raises(ArchiveError, match=what):
        Npz(path=crafted(tmp_path / "data.npz", {**HEADER, **change}, bytes(6 * 64)))


def test_a_header_that_breaks_off_is_refused(tmp_path):
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("images.npy", b"\x93NUMPY\1\0" + struct.pack("<H", 12) + b"{'descr': (\n")

    with pytest.raises(ArchiveError, match="the array cannot be read"):
        Npz(path=path)


def test_a_damaged_member_of_any_method_is_refused(tmp_path):
    path = crafted(tmp_path / "data.npz", HEADER, random.Random(0).randbytes(6 * 64), method=zipfile.ZIP_LZMA)
    content = bytearray(path.read_bytes())
    content[60:120] = bytes(60)
    path.write_bytes(content)

    with pytest.raises(ArchiveError, match="the array cannot be read"):
        Npz(path=path)


@pytest.mark.parametrize(("shape", "content"), [((0, 8, 8), b""), ((True, 8, 8), bytes(64))], ids=["none", "odd"])
def test_no_images_and_odd_numbers_of_them_are_told(tmp_path, shape, content):
    with pytest.raises(DataError) as caught:
        Npz(path=crafted(tmp_path / "data.npz", {**HEADER, "shape": shape}, content))

    assert (caught.value.code, caught.value.exit_code) in {("GR301", 4), ("GR307", 4)}


def test_a_bomb_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("ganreg.components.datasets.npz.FROM_BYTES", 2**20)
    path = crafted(tmp_path / "d.npz", {**HEADER, "shape": (2**14, 16, 16)}, bytes(2**22), method=zipfile.ZIP_DEFLATED)

    with pytest.raises(ArchiveError, match="the array promises 4,194,304 bytes and has"):
        Npz(path=path)


def test_more_than_the_memory_is_refused(saved, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 20)

    with pytest.raises(DataError, match="the array has 1,440 bytes, more than the memory of this machine, 400"):
        Npz(path=saved(images=IMAGES))


def test_any_damage_is_images_or_one_of_our_errors(tmp_path):
    file = io.BytesIO()
    np.savez_compressed(file, images=IMAGES, labels=LABELS)
    whole, path, rng = file.getvalue(), tmp_path / "data.npz", random.Random(0)
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            content[rng.randrange(len(content))] = rng.choice([0, 0xFF, rng.randrange(256)])
        path.write_bytes(content)
        try:
            assert Npz(path=path)[0][0].dim() == 3
        except DataError:
            refused += 1

    assert refused > 200


def test_what_is_no_file_of_arrays_is_told(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"nothing")

    for path, what in ((tmp_path / "gone.npz", "no .npz file at"), (tmp_path, "is no file"), (tmp_path / "a.npz", "damaged")):
        with pytest.raises(DataError, match=what):
            Npz(path=path)
