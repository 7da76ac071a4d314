"""An archive is whole or not there; a call that goes on writes the bytes of one that was never stopped."""

import hashlib
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from filelock import FileLock

from ganreg.components.datasets.archive import ZipFiles
from ganreg.components.datasets.files import FolderFiles
from ganreg.components.datasets.image_folder import ImageFolder
from ganreg.components.datasets.image_zip import ImageZip
from ganreg.components.datasets.labels import Labels, of_folders
from ganreg.components.datasets.pictures import bad
from ganreg.data import packing
from ganreg.data.packing import Plan, pack
from ganreg.errors import BadImageError, ImageTooLargeError, RunBusyError, RunExistsError, StorageError, UsageError
from tests.messy import messy

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return messy(tmp_path_factory.mktemp("messy") / "photos", 20, 16, bad=False)


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    return messy(tmp_path_factory.mktemp("broken") / "photos", 20, 16)


def planned(folder, **settings):
    files = FolderFiles(folder)
    return Plan(files, of_folders(list(files.sizes)), **{"resolution": 8, **settings})


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def test_the_archive_gives_the_samples_of_the_folder(photos, tmp_path):
    packed = pack(planned(photos), tmp_path / "out.zip")
    folder, archive = ImageFolder(path=photos, resolution=8), ImageZip(path=tmp_path / "out.zip", resolution=8)

    assert (packed.images, packed.found, packed.left_out) == (21, 0, {})
    assert packed.bytes == (tmp_path / "out.zip").stat().st_size
    assert archive.classes == folder.classes == ("cats", "dogs")
    for index in range(21):
        assert archive[index][1] == folder[index][1]
        assert (archive[index][0] == folder[index][0]).all()
    assert leftovers(tmp_path) == []
    assert stat.S_IMODE((tmp_path / "out.zip").stat().st_mode) == stat.S_IMODE(tmp_path.stat().st_mode) & 0o666


def test_its_form_is_the_usual_one(photos, tmp_path):
    pack(planned(photos), tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as file:
        assert file.testzip() is None
        assert file.namelist()[0] == "00000/img00000000.png"
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_STORED}
        told = json.loads(file.read("dataset.json"))
    assert told["labels"][0] == ["00000/img00000000.png", 0]
    assert told["classes"] == ["cats", "dogs"]


def test_without_classes_and_in_grey_and_compressed(photos, tmp_path):
    files = FolderFiles(photos)
    plan = Plan(files, Labels((0,) * len(files.sizes), ()), 16, 1)
    pack(plan, tmp_path / "out.zip")
    pack(planned(photos, resolution=16, compress=True), tmp_path / "small.zip")
    pack(planned(photos, resolution=16), tmp_path / "large.zip")

    assert ImageZip(path=tmp_path / "out.zip", resolution=16, channels=1).spec.num_classes == 0
    assert (tmp_path / "small.zip").stat().st_size < (tmp_path / "large.zip").stat().st_size
    assert (ImageZip(path=tmp_path / "small.zip")[3][0] == ImageZip(path=tmp_path / "large.zip")[3][0]).all()


def test_bad_pictures_stop_it_or_are_left_out_and_told(broken, tmp_path, monkeypatch):
    with pytest.raises(BadImageError, match=r"cats/text.jpg' cannot be read|cats/bomb.png") as caught:
        pack(planned(broken, on_bad="skip", max_bad=1), tmp_path / "out.zip")
    assert "max_bad is 1" in caught.value.what
    monkeypatch.setenv("GANREG_FAIL", "write.5:EIO")
    monkeypatch.setattr("ganreg.engine.durable._passed", Counter())
    with pytest.raises(StorageError, match="cannot be written"):
        pack(planned(broken, on_bad="skip"), tmp_path / "out.zip")
    monkeypatch.delenv("GANREG_FAIL")
    packed = pack(planned(broken, on_bad="skip"), tmp_path / "out.zip")

    assert packed.images == 21
    assert sorted(packed.left_out) == ["cats/bomb.png", "cats/text.jpg", "dogs/empty.png", "dogs/truncated.jpg"]
    assert packed.left_out["cats/bomb.png"].startswith("too large to decode")
    assert packed.left_out["dogs/empty.png"] == "the file is empty"
    assert ImageZip(path=tmp_path / "out.zip").labels.tolist() == [0] * 11 + [1] * 10


def test_what_an_earlier_call_left_out_stops_one_that_leaves_nothing_out(broken, tmp_path, monkeypatch):
    interrupted(planned(broken, on_bad="skip"), tmp_path / "out.zip", monkeypatch)

    with pytest.raises(BadImageError, match=r"cats/text.jpg' cannot be read"):
        pack(planned(broken, on_bad="skip", max_bad=1), tmp_path / "out.zip")
    with pytest.raises(ImageTooLargeError, match=r"cats/bomb.png' is too large"):
        pack(planned(broken), tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_what_an_earlier_call_could_not_read_is_written_in_its_place_once_it_is_whole(photos, tmp_path, monkeypatch):
    pack(planned(photos), tmp_path / "whole.zip")
    third = list(planned(photos).files.sizes)[2]
    with monkeypatch.context() as patch:
        read = packing.read_square

        def failing(file, resolution, channels, place):
            if place.endswith(third):
                raise bad(place, "the disk was away")
            return read(file, resolution, channels, place)

        patch.setattr(packing, "read_square", failing)
        interrupted(planned(photos, on_bad="skip"), tmp_path / "out.zip", monkeypatch)
    packed = pack(planned(photos), tmp_path / "out.zip")

    assert (packed.images, packed.found, packed.left_out) == (21, 2, {})
    assert digest(tmp_path / "out.zip") == digest(tmp_path / "whole.zip")


def interrupted(plan, target, monkeypatch):
    """Pack up to the last picture."""
    monkeypatch.setenv("GANREG_FAIL", "fsync:EIO")
    monkeypatch.setattr("ganreg.engine.durable._passed", Counter())
    with pytest.raises(StorageError, match="cannot be written"):
        pack(plan, target)
    monkeypatch.delenv("GANREG_FAIL")


def test_an_archive_in_a_folder_that_is_open_to_everybody_is_not(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("ganreg.engine.durable.UMASK", 0o022)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    pack(planned(photos), tmp_path / "shared" / "out.zip")

    assert stat.S_IMODE((tmp_path / "shared" / "out.zip").stat().st_mode) == 0o644


def test_what_is_there_is_not_overwritten_unless_forced(photos, tmp_path):
    target = tmp_path / "out.zip"
    target.write_text("mine")
    with pytest.raises(RunExistsError, match="the file is there already"):
        pack(planned(photos), target)
    assert target.read_text() == "mine"
    pack(planned(photos), target, force=True)
    assert zipfile.is_zipfile(target)


def test_the_archive_that_the_pictures_are_in_is_never_replaced(photos, tmp_path):
    pack(planned(photos, resolution=16), tmp_path / "photos.zip")
    (tmp_path / "link.zip").symlink_to("photos.zip")
    (tmp_path / "same.zip").hardlink_to(tmp_path / "photos.zip")
    before = digest(tmp_path / "photos.zip")
    files = ZipFiles(tmp_path / "photos.zip")
    plan = Plan(files, of_folders(list(files.sizes)), 8)

    for name in ("photos.zip", "link.zip", "same.zip"):
        with pytest.raises(UsageError, match="would take the place of the pictures that it is made from"):
            pack(plan, tmp_path / name, force=True)
    assert digest(tmp_path / "photos.zip") == before
    assert leftovers(tmp_path) == []
    assert pack(plan, tmp_path / "other.zip").images == 21


def test_an_archive_may_lie_among_the_pictures_that_it_is_made_from(tmp_path):
    folder = messy(tmp_path / "photos", 4, 16, bad=False)
    pack(planned(folder), folder / "out.zip")

    assert pack(planned(folder), folder / "out.zip", force=True).images == 5


def killed(folder, target, fault):
    """Pack in a process that a fault ends."""
    program = (
        "from tests.data.test_packing import planned; from ganreg.data.packing import pack; from pathlib import Path;"
        f"pack(planned({str(folder)!r}), Path({str(target)!r}), force=True)"
    )
    told = {**os.environ, "PYTHONPATH": str(ROOT), "GANREG_FAIL": fault}
    return subprocess.run([sys.executable, "-c", program], env=told, capture_output=True, cwd=ROOT, check=False, timeout=100)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["write.9:kill", "fsync:kill", "rename:kill"])
def test_a_killed_call_is_gone_on_with_to_the_same_bytes(photos, tmp_path, fault):
    pack(planned(photos), tmp_path / "whole.zip")
    assert killed(photos, tmp_path / "out.zip", fault).returncode == -9
    assert not (tmp_path / "out.zip").exists()
    packed = pack(planned(photos), tmp_path / "out.zip")

    assert packed.found == (8 if fault.startswith("write") else 21)
    assert digest(tmp_path / "out.zip") == digest(tmp_path / "whole.zip")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("cut", [1, 40, 100, 0, -1])
def test_what_is_not_whole_of_a_part_is_written_again(photos, tmp_path, monkeypatch, cut):
    pack(planned(photos), tmp_path / "whole.zip")
    monkeypatch.setenv("GANREG_FAIL", "rename:EIO")
    monkeypatch.setattr("ganreg.engine.durable._passed", Counter())
    with pytest.raises(StorageError, match="the archive cannot be written: Input/output error"):
        pack(planned(photos), tmp_path / "out.zip")
    monkeypatch.delenv("GANREG_FAIL")
    (part,) = tmp_path.glob(".out.zip.*.part")
    content = bytearray(part.read_bytes())
    if cut > 0:
        content = content[: len(content) // 2 + cut]
    elif cut == 0:
        content += bytes(100_000)
    else:
        content[len(content) // 3] ^= 1
    part.write_bytes(content)
    packed = pack(planned(photos), tmp_path / "out.zip")

    assert packed.found == 21 if cut == 0 else 0 < packed.found < 21
    assert digest(tmp_path / "out.zip") == digest(tmp_path / "whole.zip")


def test_a_part_of_other_pictures_or_settings_is_not_gone_on_with(photos, tmp_path, monkeypatch):
    other = planned(photos, resolution=16)
    for name in (f".out.zip.{other.digest()}.part", ".out.zip.0123456789ab.part", ".out.zip.mine.part"):
        (tmp_path / name).write_bytes(b"x")
    packed = pack(planned(photos), tmp_path / "out.zip")

    assert packed.found == 0
    assert leftovers(tmp_path) == [".out.zip.mine.part"]
    assert planned(photos).digest() == planned(photos, on_bad="skip").digest() != other.digest()


def test_two_calls_at_once_are_one(photos, tmp_path):
    plan = planned(photos)
    with (
        FileLock(tmp_path / f".out.zip.{plan.digest()}.part.lock"),
        pytest.raises(RunBusyError, match="another process writes"),
    ):
        pack(plan, tmp_path / "out.zip")


def test_a_link_in_the_place_of_the_part_is_not_followed(photos, tmp_path):
    plan = planned(photos)
    (tmp_path / "precious").write_text("mine")
    (tmp_path / f".out.zip.{plan.digest()}.part").symlink_to(tmp_path / "precious")

    with pytest.raises(StorageError, match="the archive cannot be written"):
        pack(plan, tmp_path / "out.zip")
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_part_of_pictures_that_were_replaced_at_their_old_time_is_not_gone_on_with(tmp_path):
    folder = messy(tmp_path / "photos", 4, 16, bad=False)
    before = planned(folder).digest()
    path = folder / next(iter(planned(folder).files.sizes))
    status, content = path.stat(), path.read_bytes()
    path.unlink()
    path.write_bytes(content[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert planned(folder).digest() != before
