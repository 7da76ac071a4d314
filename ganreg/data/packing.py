"""Packing: every picture cut, resized and written once into one archive, which is then read many times as fast.

The archive has the form in which data for GANs are passed around: `00000/img00000000.png`, …, stored and not compressed, and
`dataset.json` with the labels.  It is written beside its place under a hidden name, which holds what it is made from; a call
that finds one there goes on behind the last picture that is whole, and the bytes are those of a call that was never stopped.
"""

from __future__ import annotations

import json
import os
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Literal

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

from ganreg.components.datasets.files import Files, written
from ganreg.components.datasets.fingerprint import fingerprint_of
from ganreg.components.datasets.labels import Labels
from ganreg.components.datasets.pictures import READING, read_square
from ganreg.data.crew import each
from ganreg.data.doctor import Told
from ganreg.data.looking import reason
from ganreg.engine import durable
from ganreg.errors import BadImageError, ImageTooLargeError, RunBusyError, RunExistsError, StorageError, UsageError

FORM = 1  # counts the ways in which archives were ever written
LOCAL = struct.Struct("<4s3H2HL2L2H")
LABELS = "dataset.json"


@dataclass(frozen=True)
class Plan:
    """What is packed, and how."""

    files: Files
    labels: Labels
    resolution: int
    channels: Literal[1, 3] = 3
    compress: bool = False
    on_bad: Literal["stop", "skip"] = "stop"
    max_bad: int = 10

    def digest(self) -> str:
        """Of everything that the archive depends on: names, sizes and times of the files, labels, settings."""
        facts = {"names": self.files.sizes, "times": _times(self.files), "labels": self.labels.numbers}
        how = {"resolution": self.resolution, "channels": self.channels, "compress": self.compress}
        return fingerprint_of(form=FORM, reading=READING, classes=self.labels.classes, **facts, **how)[:12]


@dataclass
class Packed:
    """What came of it: pictures in the archive, how many of them an earlier call had written, those left out and why."""

    images: int = 0
    found: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    bytes: int = 0


def pack(plan: Plan, target: Path, *, processes: int = 1, force: bool = False, told: Told | None = None) -> Packed:
    """Write the archive.

    Raises UsageError for the archive that the pictures are in; RunExistsError for another one that is there, unless `force`;
    RunBusyError while another process writes it; BadImageError and ImageTooLargeError for a picture that cannot be read;
    StorageError.
    """
    if target.exists() and plan.files.root.is_file() and target.samefile(plan.files.root):  # also by another name of it
        what = "the archive would take the place of the pictures that it is made from"
        raise UsageError(what, at=str(target), fix="give another name")
    if target.exists() and (not force or target.is_dir()):
        raise RunExistsError("the file is there already", at=str(target), fix="add --force, or give another name")
    part = target.with_name(f".{target.name}.{plan.digest()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _forget_others(part, target)
        with FileLock(f"{part}.lock", timeout=0):
            packed = _write(plan, part, processes, told)
            durable.fail_point("rename")
            part.replace(target)
            durable.sync_directory(target.parent)
            Path(f"{part}.lock").unlink(missing_ok=True)
    except Timeout:
        raise RunBusyError("another process writes this archive", at=str(target), fix="wait for its end") from None
    except OSError as error:
        what = f"the archive cannot be written: {error.strerror or error}"
        raise StorageError(what, at=str(target), fix="make room; the same command then goes on where it was") from error
    packed.bytes = target.stat().st_size
    return packed


def whole_members(file: IO[bytes]) -> tuple[list[zipfile.ZipInfo], int]:
    """The pictures at the beginning of an archive without a directory that are whole -> these, and where they end."""
    members: list[zipfile.ZipInfo] = []
    end = file.seek(0)
    while len(head := file.read(LOCAL.size)) == LOCAL.size:
        signature, _, _, method, _, _, crc, packed, size, name_length, extra_length = LOCAL.unpack(head)
        name = file.read(name_length)
        file.seek(extra_length, os.SEEK_CUR)
        content = file.read(packed)
        is_whole = signature == b"PK\3\4" and method == zipfile.ZIP_STORED and 0 < size == packed == len(content)
        if not is_whole or zlib.crc32(content) != crc or not name.endswith(b".png"):
            break
        info = _member(name.decode("ascii", "replace"))
        info.header_offset, info.CRC, info.compress_size, info.file_size = end, crc, packed, size
        members.append(info)
        end = file.tell()
    return members, end


def _write(plan: Plan, part: Path, processes: int, told: Told | None) -> Packed:
    """Every picture that the part does not hold yet, and the labels."""
    names = list(plan.files.sizes)
    with _opened(part) as file:
        packed = Packed(left_out=dict.fromkeys(plan.files.faults, "it cannot be opened"))
        _refuse_more(plan, packed, next(iter(plan.files.faults.values()), None))
        members, end = _gone_over(plan, packed, *whole_members(file))
        packed.found = len(members)
        places = [_place(info) for info in members]
        done = places[-1] + 1 if places else 0
        file.seek(end)
        file.truncate()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.filelist.extend(members)
            for place, made in enumerate(each(_encoded, plan, names[done:], processes), done):
                if isinstance(made, bytes):
                    durable.fail_point("write")
                    archive.writestr(_member(_name(place)), made)
                    places.append(place)
                else:
                    packed.left_out[names[place]] = reason(made, plan.files.place(names[place]))
                    _refuse_more(plan, packed, made)
                if told is not None:
                    told(place + 1, len(names))
            archive.writestr(_member(LABELS), _labels(plan.labels, places))
        file.flush()
        os.fchmod(file.fileno(), durable.mode_in(part.parent))
        durable.fail_point("fsync")
        os.fsync(file.fileno())
    packed.images = len(places)
    return packed


def _gone_over(plan: Plan, packed: Packed, members: list[zipfile.ZipInfo], end: int) -> tuple[list[zipfile.ZipInfo], int]:
    """Read what an earlier call left out -> what of its pictures stays, and where they end.

    What is still bad is judged by this call's settings; what is whole by now is written in its place, with all that follow.
    Raises BadImageError, ImageTooLargeError.
    """
    names = list(plan.files.sizes)
    places = {_place(info): info for info in members}
    for place in sorted({*range(max(places, default=0))} - {*places}):
        made = _encoded(plan, names[place])
        if isinstance(made, bytes):
            end = next(info.header_offset for info in members if _place(info) > place)
            return [info for info in members if _place(info) < place], end
        packed.left_out[names[place]] = reason(made, plan.files.place(names[place]))
        _refuse_more(plan, packed, made)
    return members, end


def _encoded(plan: Plan, name: str) -> bytes | BadImageError | ImageTooLargeError:
    """A picture as the bytes of a PNG, or what is wrong with it."""
    try:
        pixels = read_square(plan.files.open(name), plan.resolution, plan.channels, plan.files.place(name))
    except (BadImageError, ImageTooLargeError) as error:
        return error
    if not plan.compress:
        return _plain_png(pixels)
    file = BytesIO()
    Image.fromarray(pixels[0] if plan.channels == 1 else pixels.transpose(1, 2, 0)).save(file, "PNG")
    return file.getvalue()


def _plain_png(pixels: np.ndarray) -> bytes:
    """uint8 [C, H, W] -> a PNG, neither compressed nor filtered, which Pillow cannot write and reads in half the time."""
    channels, height, width = pixels.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = pixels.transpose(1, 2, 0).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 0)), (b"IEND", b""))
    framed = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def _refuse_more(plan: Plan, packed: Packed, error: BadImageError | ImageTooLargeError | None) -> None:
    """Raises the fault where bad pictures stop us, or there are too many of them."""
    if error is None or (plan.on_bad == "skip" and len(packed.left_out) <= plan.max_bad):
        return
    if plan.on_bad == "skip":
        error.what += f" ({len(packed.left_out)} pictures cannot be read, max_bad is {plan.max_bad})"
    else:
        error.fix = f"{error.fix}, or leave such pictures out: --on-bad skip"
    raise error


def _labels(labels: Labels, places: list[int]) -> bytes:
    if not labels.classes:
        return b'{"labels": null}\n'
    pairs = [[_name(place), labels.numbers[place]] for place in places]
    return (json.dumps({"labels": pairs, "classes": labels.classes}) + "\n").encode()


def _name(place: int) -> str:
    return f"{place // 1000:05d}/img{place:08d}.png"


def _place(info: zipfile.ZipInfo) -> int:
    return int(info.filename[-12:-4])


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)  # of 1980, so that the same pictures give the same bytes
    info.create_system, info.external_attr = 3, 0o644 << 16
    return info


def _opened(part: Path) -> IO[bytes]:
    """The part of an earlier call, or a new one; a link is not followed.  Raises OSError."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    durable.fail_point("open")
    return os.fdopen(os.open(part, flags, 0o600), "r+b")


def _forget_others(part: Path, target: Path) -> None:
    """Remove what calls with other pictures or settings have left, unless they are still at it."""
    for other in target.parent.iterdir():
        if other == part or not re.fullmatch(rf"\.{re.escape(target.name)}\.[0-9a-f]{{12}}\.part", other.name):
            continue
        try:
            with FileLock(f"{other}.lock", timeout=0):
                other.unlink(missing_ok=True)
                Path(f"{other}.lock").unlink(missing_ok=True)
        except Timeout:
            continue


def _times(files: Files) -> list[str]:
    """When each file was last written, and which it is; an archive's own for all."""
    opened = files.root if files.root.is_file() else None
    return [written(one.stat()) for one in ([opened] if opened else [files.root / name for name in files.sizes])]
