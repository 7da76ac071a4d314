"""Files that are whole or not there, whatever happens while they are written.

A name is given to what has reached the disk, never before: write, fsync, rename, fsync of the directory.

`GANREG_FAIL=point:action`, for tests, breaks a step on purpose: `action` is `kill` or an errno's name (`ENOSPC`), `point` one
of `POINTS`, or `point.3` for the third time that it is passed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

POINTS = ("open", "write", "fsync", "fsync_directory", "rename", "after_rename", "latest", "rotate")
CHUNK = 1 << 20  # bytes written and hashed at once

_passed: Counter[str] = Counter()


def _umask() -> int:
    """What files are made without.  It is read by setting it: to one under which another thread's file is only too private."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


UMASK = _umask()  # once, before there are threads


class Written(NamedTuple):
    """What a file holds, told while it was written."""

    sha256: str
    size: int


def fail_point(name: str) -> None:
    """Break here if a test asked for it.  Raises OSError."""
    asked = os.environ.get("GANREG_FAIL")
    if asked is None:
        return
    point, _, action = asked.partition(":")
    point, _, nth = point.partition(".")
    if point != name:
        return
    _passed[name] += 1
    if _passed[name] != int(nth or 1):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    number = getattr(errno, action)
    raise OSError(number, os.strerror(number))


def write(path: Path, content: bytes) -> Written:
    """A new file, on the disk when this returns; one that is there already, or a link, is an error.  Raises OSError."""
    handle = _opened(path)
    digest = hashlib.sha256()
    with os.fdopen(handle, "wb", buffering=0) as file:
        rest = memoryview(content)
        while rest:
            fail_point("write")
            count = file.write(rest[:CHUNK])
            digest.update(rest[:count])
            rest = rest[count:]
        _finish(handle, path)
    return Written(digest.hexdigest(), len(content))


def mode_in(folder: Path) -> int:
    """Of a file there: no more than its folder allows, which may be open to everybody, and than the umask.  Raises OSError."""
    return folder.stat().st_mode & 0o666 & ~UMASK


def _opened(path: Path) -> int:
    fail_point("open")
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _finish(handle: int, path: Path) -> None:
    os.fchmod(handle, mode_in(path.parent))
    fail_point("fsync")
    os.fsync(handle)


def sync_directory(path: Path) -> None:
    """Let the names in a directory reach the disk.  Raises OSError."""
    fail_point("fsync_directory")
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rename(old: Path, new: Path) -> None:
    """Give what is on the disk its name.  Raises OSError."""
    fail_point("rename")
    old.rename(new)
    fail_point("after_rename")
    sync_directory(new.parent)


def replace(path: Path, content: bytes) -> None:
    """A file that holds the old content or the new one, at every moment.  Raises OSError."""
    part = _part(path)
    write(part, content)
    part.replace(path)
    sync_directory(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """As `replace`, for what is written piece by piece, also by several processes; an error leaves nothing.  Raises OSError."""
    part = _own_part(path)
    handle = _opened(part)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            fail_point("write")
            _finish(handle, part)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def _own_part(path: Path) -> Path:
    """Where this process lets the new content grow; what killed ones left is gone."""
    front = f".{path.name.lstrip('.')}."
    for other in path.parent.iterdir():
        pid = other.name.removeprefix(front).removesuffix(".part")
        if other.name == f"{front}{pid}.part" and pid.isdecimal() and (int(pid) == os.getpid() or not _lives(int(pid))):
            other.unlink(missing_ok=True)
    return path.with_name(f"{front}{os.getpid()}.part")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True


def _part(path: Path) -> Path:
    """Where the new content grows in a folder that one process owns; what a killed one left there is gone."""
    part = path.with_name(f".{path.name.lstrip('.')}.part")
    part.unlink(missing_ok=True)
    return part
