"""The pictures below a folder, by name, and what a data set needs of any such collection.  Nothing here imports torch."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Protocol

from ganreg.components.datasets.pictures import extensions
from ganreg.errors import BadImageError, DataError

REMOVE = "take it out of the folder"
MOST_TEXT = 512 * 2**20
"""Bytes of a file of labels."""


class Files(Protocol):
    """Pictures by name.  A copy for another process reads by itself.

    `sizes` has the bytes of each picture, sorted by name; `faults` names that are listed and cannot be opened; `others` counts
    the endings of what is no picture.
    """

    root: Path
    sizes: dict[str, int]
    faults: dict[str, BadImageError]
    others: Counter[str]

    def open(self, name: str) -> Path | BytesIO:
        """What Pillow opens.  Raises BadImageError."""

    def place(self, name: str) -> str:
        """How an error names it."""

    def text(self, name: str) -> bytes:
        """A file beside the pictures.  Raises DataError."""


class FolderFiles:
    """Every picture below a folder that is not hidden, through links too.  Raises DataError."""

    def __init__(self, path: str | Path) -> None:
        self.root = _folder(path)
        self.sizes: dict[str, int] = {}
        self.times: dict[str, str] = {}
        """When each was last written, as it was found."""
        self.faults: dict[str, BadImageError] = {}
        self.others: Counter[str] = Counter()
        for file in _files(self.root):
            ending = file.suffix.lower()
            name = file.relative_to(self.root).as_posix()
            if ending not in extensions():
                self.others[ending or "no extension"] += 1
                continue
            try:
                status = _status(file)
                self.sizes[name], self.times[name] = status.st_size, written(status)
            except BadImageError as error:
                self.faults[name] = error
        refuse_nothing(self)
        self.sizes = dict(sorted(self.sizes.items()))

    def open(self, name: str) -> Path:
        """Its path."""
        return self.root / name

    def place(self, name: str) -> str:
        """Its path."""
        return str(self.root / name)

    def text(self, name: str) -> bytes:
        """A file in the folder, or elsewhere by its whole path.  Raises DataError."""
        file = self.root / name
        try:
            file = self.root / Path(name).expanduser()
            status = file.stat()
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{name!r} is no regular file", at=str(file), fix="give a JSON or CSV file")
            if status.st_size > MOST_TEXT:
                raise DataError(f"{name!r} has {status.st_size:,} bytes, at most {MOST_TEXT:,}", at=str(file), fix="split it")
            return file.read_bytes()
        except (OSError, ValueError, RuntimeError) as error:  # not there; a nul in the name; ~ of nobody
            why = error.strerror if isinstance(error, OSError) else error
            fix = "give its name in the folder, or its whole path"
            raise DataError(f"the labels cannot be read: {why}", at=str(file), fix=fix) from error


def written(status: os.stat_result) -> str:
    """When a file was, and which: its time alone is set back by whatever unpacks or copies; the other time is the system's."""
    return f"{status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


def refuse_nothing(files: Files) -> None:
    """Raises DataError where there is no picture, with what there is instead."""
    if files.sizes or files.faults:
        return
    endings = ", ".join(f"{ending} {count}" for ending, count in files.others.most_common(8))
    what = f"{files.others.total()} files, none of them a picture ({endings})" if files.others else "no file"
    raise DataError(f"{str(files.root)!r} holds {what}", at=str(files.root), fix="give .jpg, .png, .webp, … files")


def regular_file(path: str | Path, what: str, fix: str) -> Path:
    """The file that was meant; `what` it should be is for the error.  Raises DataError unless it is there and a file."""
    try:
        file = Path(path).expanduser()
        mode = file.stat().st_mode
    except (OSError, ValueError, RuntimeError) as error:  # not there; a nul in the name; ~ of nobody
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"no {what.partition(' ')[2]} at {str(path)!r}: {why}", at=str(path), fix=fix) from error
    if not stat.S_ISREG(mode):
        raise DataError(f"{str(file)!r} is no file, expected {what}", at=str(file), fix=fix)
    return file


def _folder(path: str | Path) -> Path:
    """The folder that was meant.  Raises DataError unless it is there and is a folder."""
    fix = "give the folder that holds the pictures"
    try:
        root = Path(path).expanduser()
        mode = root.stat().st_mode
    except (OSError, ValueError, RuntimeError) as error:  # not there; a nul in the name; ~ of nobody
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"no folder of pictures at {str(path)!r}: {why}", at=str(path), fix=fix) from error
    if not stat.S_ISDIR(mode):
        raise DataError(f"{str(root)!r} is a file, expected a folder of pictures", at=str(root), fix=fix)
    return root


def _files(root: Path) -> Iterator[Path]:
    """Every file below the root that is not hidden, through links too, but no folder twice."""

    def refuse(error: OSError) -> None:
        what = f"the folder {str(error.filename)!r} cannot be read: {error.strerror}"
        raise DataError(what, at=str(root), fix="make it readable, or move it away") from error

    visited: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, followlinks=True, onerror=refuse):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in visited:  # a link to a folder above would never end
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _status(file: Path) -> os.stat_result:
    try:
        status = file.stat()
    except OSError as error:  # a link that leads nowhere
        raise BadImageError(f"the picture {str(file)!r} cannot be read: {error.strerror}", at=str(file), fix=REMOVE) from error
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise BadImageError(f"the picture {str(file)!r} cannot be read: it is no regular file", at=str(file), fix=REMOVE)
    return status
