"""The pictures in a ZIP archive, read without extracting it.

Before anything is read every member is judged: archives that would harm whoever extracts them, and such as promise more than
they hold, are refused whole.  Members are then read by their place in the file, so that threads and processes share it.
"""

from __future__ import annotations

import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, NamedTuple

from ganreg.components.datasets.files import MOST_TEXT, refuse_nothing, regular_file
from ganreg.components.datasets.pictures import bad, extensions
from ganreg.errors import ArchiveError, BadImageError, DataError

MOST_MEMBERS = 500_000
MOST_LETTERS = 1024  # of a name
MOST_BYTES = 2**28  # of one picture: as many as the largest that is decoded
MOST_RATIO, FROM_BYTES = 200, 2**20
"""A member above so many bytes may grow to so many times what it takes in the archive."""

END = struct.Struct("<4s4H2LH")  # the end record
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR64 = struct.Struct("<4sLQL")
ENTRY = struct.Struct("<4s24x3H12x")  # of the directory: signature, lengths of name, extra field and comment
LOCAL = struct.Struct("<4s22x2H")
ENCRYPTED = 0x1 | 0x40 | 0x2000


class Member(NamedTuple):
    """Where its header begins, how it is packed, its size packed and unpacked, its checksum."""

    start: int
    method: int
    packed: int
    size: int
    crc: int


class ZipFiles:
    """Every picture in an archive that is not hidden.  Names are those below the one folder that holds all, if there is one.

    Raises DataError for a path that is no archive, ArchiveError for one that is damaged or harmful.
    """

    def __init__(self, path: str | Path, most_members: int = MOST_MEMBERS) -> None:
        self.root = regular_file(path, "an archive of pictures", "give a .zip file of pictures")
        self._file: IO[bytes] | None = None
        members = _members(self.root, most_members)
        self._front = _front(name for name in members if not _is_hidden(name))
        self._members = {name.removeprefix(self._front): member for name, member in members.items()}
        shown = [name for name in self._members if not _is_hidden(name)]
        pictures = [name for name in shown if PurePosixPath(name).suffix.lower() in extensions()]
        self.sizes = {name: self._members[name].size for name in sorted(pictures)}
        self.faults: dict[str, BadImageError] = {}
        self.others = Counter(PurePosixPath(name).suffix.lower() or "no extension" for name in {*shown} - {*pictures})
        refuse_nothing(self)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def checksums(self) -> dict[str, int]:
        """Of every picture, CRC-32, as the archive says."""
        return {name: self._members[name].crc for name in self.sizes}

    def open(self, name: str) -> BytesIO:
        """Its bytes.  Raises BadImageError."""
        try:
            return BytesIO(self._read(name))
        except (OSError, ValueError, zlib.error) as error:
            raise bad(self.place(name), str(error)) from error

    def place(self, name: str) -> str:
        """The archive and its name in there."""
        return f"{self.root}/{self._front}{name}"

    def text(self, name: str) -> bytes:
        """A member that is no picture.  Raises DataError."""
        fix = "give the name of a JSON or CSV file in the archive"
        if name not in self._members:
            raise DataError(f"the archive holds no {name!r}", at=str(self.root), fix=fix)
        try:
            return self._read(name)
        except (OSError, ValueError, zlib.error) as error:
            raise DataError(f"{name!r} cannot be read: {error}", at=str(self.root), fix=fix) from error

    def _read(self, name: str) -> bytes:
        """Raises OSError, ValueError, zlib.error."""
        member = self._members[name]
        head = self._at(member.start, LOCAL.size)
        signature, name_length, extra_length = LOCAL.unpack(head)
        if signature != b"PK\3\4":
            raise ValueError("the archive was changed: no file begins where one did")
        content = self._at(member.start + LOCAL.size + name_length + extra_length, member.packed)
        if member.method == zipfile.ZIP_DEFLATED:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, member.size + 1)
        if len(content) != member.size or zlib.crc32(content) != member.crc:
            raise ValueError("the archive is damaged: its checksum is another")
        return content

    def _at(self, start: int, count: int) -> bytes:
        """Bytes of the archive; no position is shared, so threads and forked processes may read at once."""
        if not hasattr(os, "pread"):
            with self.root.open("rb") as file:
                file.seek(start)
                return file.read(count)
        if self._file is None:
            self._file = self.root.open("rb", buffering=0)
        parts = []
        while count > 0 and (part := os.pread(self._file.fileno(), count, start)):
            parts.append(part)
            start, count = start + len(part), count - len(part)
        if count > 0:
            raise ValueError("the archive was cut")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def __getstate__(self) -> dict[str, object]:
        """Without the open file: another process opens its own."""
        return {**self.__dict__, "_file": None}

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self._file.close()  # type: ignore[union-attr]


def directory(root: Path, most: int = MOST_MEMBERS) -> list[zipfile.ZipInfo]:
    """What an archive says that it holds, as it says it.  Raises ArchiveError where it is damaged or has more than `most`."""
    fix = "make the archive anew"
    try:
        with root.open("rb") as file:
            for count, _ in enumerate(_entries(file), 1):
                if count > most:
                    what = f"the archive has more than {most:,} members"
                    raise ArchiveError(what, at=str(root), fix="split it, or raise max_members")
            with zipfile.ZipFile(file) as archive:
                return archive.infolist()
    except OSError as error:
        raise ArchiveError(f"the archive cannot be read: {error.strerror}", at=str(root), fix=fix) from error
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise ArchiveError(f"the archive is damaged: {error}", at=str(root), fix=fix) from error


def _members(root: Path, most: int) -> dict[str, Member]:
    """Name -> member, files only.  Raises ArchiveError."""
    infos = directory(root, most)
    found: dict[str, Member] = {}
    for info in infos:
        why = _fault(info)
        if why:
            what = f"the member {info.orig_filename[:200]!r} of the archive {why}"
            raise ArchiveError(what, at=str(root), fix="make the archive anew from its pictures")
        found[info.filename] = Member(info.header_offset, info.compress_type, info.compress_size, info.file_size, info.CRC)
    _refuse_clashes([info.filename for info in infos], root)
    return {name: member for name, member in found.items() if not name.endswith("/")}


def _entries(file: IO[bytes]) -> Iterator[int]:
    """Each entry of the archive's directory, counted as it is and not as it says.  Raises ValueError, struct.error."""
    length = file.seek(0, os.SEEK_END)
    tail_start = max(0, length - END.size - 0xFFFF)
    file.seek(tail_start)
    tail = file.read()
    found = tail.rfind(b"PK\5\6")
    if found < 0:
        raise ValueError("it has no directory at its end")
    size = END.unpack_from(tail, found)[5]
    stop = tail_start + found
    if stop >= LOCATOR64.size + END64.size:
        file.seek(stop - LOCATOR64.size - END64.size)
        record = file.read(END64.size)
        if record.startswith(b"PK\6\6") and file.read(4) == b"PK\6\7":
            size, stop = END64.unpack(record)[8], stop - LOCATOR64.size - END64.size
    place = stop - size
    if place < 0:
        raise ValueError("its directory is longer than the file")
    while place < stop:
        file.seek(place)
        signature, *lengths = ENTRY.unpack(file.read(ENTRY.size))
        if signature != b"PK\1\2":
            raise ValueError("its directory cannot be followed")
        yield place
        place += 46 + sum(lengths)


def _fault(info: zipfile.ZipInfo) -> str:
    """What is wrong with a member, or nothing."""
    name = info.orig_filename
    mode = info.external_attr >> 16
    parts = name.replace("\\", "/").split("/")
    if len(name) > MOST_LETTERS:
        return f"has a name of {len(name)} letters"
    if any(ord(char) < 32 or ord(char) == 127 for char in name):
        return "has a control character in its name"
    if name.startswith(("/", "\\")) or PureWindowsPath(name).drive:
        return "has an absolute name"
    if ".." in parts or "\\" in name:
        return "has a name that leads elsewhere"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if info.flag_bits & ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is packed by method {info.compress_type}, expected stored or deflated"
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        return "has two sizes"
    is_text = PurePosixPath(name).suffix.lower() in (".json", ".csv")
    if info.file_size > (MOST_TEXT if is_text else MOST_BYTES):
        return f"promises {info.file_size:,} bytes"
    if info.file_size > FROM_BYTES and info.file_size > MOST_RATIO * info.compress_size:
        return f"promises {info.file_size:,} bytes and has {info.compress_size:,}"
    return ""


def _refuse_clashes(names: list[str], root: Path) -> None:
    """Two members that some system would write to one place; one that is a file and a folder.  Raises ArchiveError."""
    seen: dict[str, str] = {}
    for name in names:
        key = unicodedata.normalize("NFC", name).casefold().rstrip("/")
        if key in seen:
            what = f"the members {seen[key]!r} and {name!r} of the archive clash"
            raise ArchiveError(what, at=str(root), fix="give every picture a name of its own")
        seen[key] = name
    files = {key for key, name in seen.items() if not name.endswith("/")}
    for key, name in seen.items():
        above = key.rpartition("/")[0]
        while above and above not in files:
            above = above.rpartition("/")[0]
        if above:
            what = f"the member {seen[above]!r} of the archive is a file, and the folder of {name!r}"
            raise ArchiveError(what, at=str(root), fix="give every picture a name of its own")


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _front(names: Iterable[str]) -> str:
    """The folder that an archive of a folder has around everything, with its slash; none beside a file that tells labels."""
    fronts = {f"{front}/" if slash else "" for front, slash, _ in (name.partition("/") for name in names)}
    return fronts.pop() if len(fronts) == 1 else ""
