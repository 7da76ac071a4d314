"""Archives that harm are refused before anything of them is read; whole ones give the bytes that went in."""

import os
import pickle
import random
import stat
import struct
import threading
import time
import warnings
import zipfile
import zlib

import pytest

from ganreg.components.datasets.archive import ZipFiles
from ganreg.errors import ArchiveError, BadImageError, DataError
from tests.components.datasets.archives import archive, picture, special

ONE = picture(10)


@pytest.fixture
def zipped(tmp_path):
    def zipped(members, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # zipfile's, of names that are there twice
            return archive(tmp_path / "data.zip", members, **options)

    return zipped


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_pictures_come_out_as_they_went_in(zipped, method):
    contents = {"b/2.png": picture(20), "a/1.PNG": picture(10), "ünï/3.jpg": picture(30, form="JPEG"), "notes.txt": b"x"}
    files = ZipFiles(zipped(contents, method=method))

    assert list(files.sizes) == ["a/1.PNG", "b/2.png", "ünï/3.jpg"]
    assert files.others == {".txt": 1}
    for name in files.sizes:
        assert files.open(name).getvalue() == contents[name]
        assert files.sizes[name] == len(contents[name])
        assert files.checksums()[name] == zlib.crc32(contents[name])


def test_hidden_members_are_no_pictures(zipped):
    files = ZipFiles(zipped({"1.png": ONE, ".2.png": ONE, "__MACOSX/._1.png": b"x", "a/.b/3.png": ONE}))

    assert list(files.sizes) == ["1.png"]


def test_the_folder_around_everything_is_not_part_of_the_names(zipped):
    files = ZipFiles(
        zipped({"photos/": b"", "photos/cats/1.png": ONE, "__MACOSX/photos/._1.png": b"x", "photos/dataset.json": b"{}"})
    )

    assert list(files.sizes) == ["cats/1.png"]
    assert "dataset.json" in files
    assert files.place("cats/1.png").endswith("data.zip/photos/cats/1.png")
    assert files.open("cats/1.png").getvalue() == ONE


def test_threads_forks_and_copies_read_at_once(zipped):
    contents = {f"{number}.png": picture(number) for number in range(50)}
    files = ZipFiles(zipped(contents))
    copy = pickle.loads(pickle.dumps(files))
    wrong = []

    def read(own):
        wrong.extend(name for name in contents for _ in range(5) if own.open(name).getvalue() != contents[name])

    threads = [threading.Thread(target=read, args=(own,)) for own in (files, files, copy)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


LINK = special("1.png", stat.S_IFLNK | 0o777)

HOSTILE = {
    "up": ([("../1.png", ONE)], "leads elsewhere"),
    "up, inside": ([("a/../../1.png", ONE)], "leads elsewhere"),
    "backslashes": ([("..\\1.png", ONE)], "leads elsewhere"),
    "absolute": ([("/etc/1.png", ONE)], "has an absolute name"),
    "a drive": ([("C:/1.png", ONE)], "has an absolute name"),
    "a link": ([(LINK, "/etc/passwd")], "is a link or a device"),
    "a pipe": ([(special("1.png", stat.S_IFIFO), b"")], "is a link or a device"),
    "a device": ([(special("1.png", stat.S_IFCHR), b"")], "is a link or a device"),
    "twice": ([("1.png", ONE), ("1.png", ONE)], "clash"),
    "case": ([("A.png", ONE), ("a.png", ONE)], "'A.png' and 'a.png' of the archive clash"),
    "spelling": ([("\u00e9.png", ONE), ("e\u0301.png", ONE)], "clash"),
    "file and folder": ([("a.png", ONE), ("a.png/x/b.png", ONE)], "is a file, and the folder of 'a.png/x/b.png'"),
    "an escape": ([("\x1b[31m.png", ONE)], "control character"),
    "a long name": ([("x" * 2000, ONE)], "a name of 2000 letters"),
    "bomb": ([("1.png", bytes(2**22))], "promises 4,194,304 bytes and has"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_harmful_archive_is_refused_whole(zipped, what):  # Q4
    members, why = HOSTILE[what]
    path = zipped([*members, ("good.png", ONE)], method=zipfile.ZIP_DEFLATED)

    with pytest.raises(ArchiveError, match=why) as caught:
        ZipFiles(path)

    assert caught.value.code == "GR307"
    assert caught.value.exit_code == 4
    assert caught.value.at == str(path)
    assert "\x1b" not in str(caught.value)


def patched(path, change):
    content = bytearray(path.read_bytes())
    change(content, content.index(b"PK\1\2"))
    path.write_bytes(content)
    return path


def test_an_encrypted_member_is_refused(zipped):
    def encrypt(content, entry):
        content[entry + 8] |= 1

    with pytest.raises(ArchiveError, match=r"'1.png' of the archive is encrypted"):
        ZipFiles(patched(zipped({"1.png": ONE}), encrypt))


def test_a_nul_in_a_name_is_seen_though_libraries_cut_it(zipped):
    def cut(content, entry):
        content[entry + 46 + 1] = 0

    with pytest.raises(ArchiveError, match="control character"):
        ZipFiles(patched(zipped({"1.png": ONE}), cut))


def test_another_compression_is_refused(zipped):
    with pytest.raises(ArchiveError, match="is packed by method 14, expected stored or deflated"):
        ZipFiles(zipped({"1.png": ONE}, method=zipfile.ZIP_LZMA))


def test_a_size_beyond_the_largest_picture_is_refused_unread(zipped):
    def promise(content, entry):
        content[entry + 24 : entry + 28] = struct.pack("<L", 2**29)
        content[entry + 20 : entry + 24] = struct.pack("<L", 2**23)

    with pytest.raises(ArchiveError, match="promises 536,870,912 bytes"):
        ZipFiles(patched(zipped({"1.png": ONE}, method=zipfile.ZIP_DEFLATED), promise))


def test_more_members_than_allowed_are_counted_and_not_believed(zipped):
    path = zipped({f"{number}.png": b"" for number in range(100)})

    with pytest.raises(ArchiveError, match="the archive has more than 99 members"):
        ZipFiles(path, 99)
    content = bytearray(path.read_bytes())
    content[-14:-10] = struct.pack("<2H", 1, 1)  # one member, it says
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="the archive has more than 99 members"):
        ZipFiles(path, 99)
    assert len(ZipFiles(path, 100).sizes) == 100


def test_a_million_members_are_refused_within_seconds_of_work(tmp_path):  # Q4
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0)
    path = tmp_path / "many.zip"
    directory = b"".join(entry + b"%05x" % (number & 0xFFFFF) for number in range(1_000_000))
    path.write_bytes(directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0))
    began = time.process_time()

    with pytest.raises(ArchiveError, match="more than 500,000 members"):
        ZipFiles(path)

    assert time.process_time() - began < 5


def test_a_member_that_grows_beyond_its_promise_is_cut_there(zipped):
    def promise_less(content, entry):
        content[entry + 24 : entry + 28] = struct.pack("<L", 100)

    files = ZipFiles(patched(zipped({"1.png": bytes(2**20)}, method=zipfile.ZIP_DEFLATED), promise_less))

    with pytest.raises(BadImageError, match=r"data.zip/1.png' cannot be read: the archive is damaged"):
        files.open("1.png")


def test_a_flipped_bit_a_cut_and_a_change_are_told(zipped):
    path = zipped({"1.png": ONE, "2.png": ONE})
    content = bytearray(path.read_bytes())
    files = ZipFiles(path)
    content[60] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadImageError, match="its checksum is another"):
        files.open("1.png")
    path.write_bytes(b"x" * 500)
    with pytest.raises(BadImageError, match="the archive was changed"):
        files.open("1.png")
    path.write_bytes(content[:40])
    with pytest.raises(BadImageError, match="the archive was cut"):
        files.open("1.png")


def test_any_damage_is_pictures_or_one_of_our_errors(zipped):
    path = zipped({"a/1.png": ONE, "a/2.png": picture(20), "dataset.json": b'{"labels": null}'}, method=zipfile.ZIP_DEFLATED)
    whole = path.read_bytes()
    rng = random.Random(0)
    read = refused = 0
    for _ in range(600):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.choice([0, 1, 0xFF, 0x7F, 0x80, rng.randrange(256)])
        if rng.random() < 0.2:
            del content[rng.randrange(len(content)) :]
        path.write_bytes(content)
        try:
            files = ZipFiles(path)
            for name in files.sizes:
                files.open(name)
            read += 1
        except DataError:
            refused += 1

    assert read > 20
    assert refused > 200


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: None, "no archive of pictures at"),
        (lambda path: path.mkdir(), "is no file, expected an archive"),
        (os.mkfifo, "is no file, expected an archive"),
        (lambda path: path.write_bytes(b""), "it has no directory at its end"),
        (lambda path: path.write_bytes(b"no archive" * 100), "it has no directory at its end"),
        (lambda path: archive(path, {}), "holds no file"),
        (lambda path: archive(path, {"a.txt": b"x", "b.csv": b""}), "holds 2 files, none of them a picture"),
    ],
)
def test_what_is_no_archive_of_pictures_is_told(tmp_path, make, what):
    path = tmp_path / "data.zip"
    make(path)

    with pytest.raises(DataError, match=what) as caught:
        ZipFiles(path)

    assert caught.value.fix


def test_a_file_of_labels_that_is_not_in_it_is_told(zipped):
    with pytest.raises(DataError, match=r"the archive holds no 'labels.csv'"):
        ZipFiles(zipped({"1.png": ONE})).text("labels.csv")
