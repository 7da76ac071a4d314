"""Image folder: every picture below a folder, cut to a square and resized; first-level subfolders are the classes.

What is done to grey, transparent, turned, animated or 16-bit pictures is defined in `pictures`.
"""

from __future__ import annotations

import os
import stat
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganreg.components.datasets.fingerprint import fingerprint_of
from ganreg.components.datasets.pictures import check_header, extensions, read_square
from ganreg.contracts import DataSpec
from ganreg.errors import BadImageError, DataError, ImageTooLargeError, printable

REMOVE = "take it out of the folder"

CACHE_BYTES = 512 * 2**20
"""Up to this size all decoded pictures are kept in memory; beyond it each is decoded anew."""


class ImageFolder:
    """Pictures [C, R, R] in [-1, 1], in the order of their names; hidden files and folders are left out.

    `classes` are the sorted names of the first-level subfolders if every picture lies in one, and a label is a position
    among them; otherwise there are no classes and every label is 0.  With `flips`, sample `i + n` of n pictures is
    picture `i` mirrored.  A picture is decoded when it is first asked for.

    Raises DataError for a path without pictures, BadImageError and ImageTooLargeError for a picture that cannot be
    read: at once if its header says so, otherwise when it is decoded.  With `on_bad="skip"` such pictures are left out
    with a warning that lists them; more than `max_bad` of them are an error.
    """

    def __init__(
        self,
        *,
        path: Annotated[str | Path, Field(description="folder of pictures; ~ is the home folder")],
        resolution: Annotated[int, Field(ge=8, description="height and width in pixels")] = 64,
        channels: Annotated[Literal[1, 3], Field(description="1 for grey, 3 for colour")] = 3,
        flips: Annotated[bool, Field(description="add every picture's mirror image")] = False,
        check_headers: Annotated[bool, Field(description="open every file once before training")] = True,
        on_bad: Annotated[
            Literal["stop", "skip"], Field(description="skip: decode every file before training, leave out what fails")
        ] = "stop",
        max_bad: Annotated[int, Field(ge=0, description="more than so many bad pictures are an error")] = 10,
    ) -> None:
        root = _folder(path)
        self._pictures = _pictures(root)
        if on_bad == "skip":
            bad = _undecodable(root, self._pictures, resolution, channels, max_bad)
            self._pictures = {name: size for name, size in self._pictures.items() if name not in bad}
        elif check_headers:
            _check_headers([root / name for name in self._pictures])
        self._root = root
        self._channels: Literal[1, 3] = channels
        self._flips = flips
        folders = [name.split("/", 1)[0] if "/" in name else "" for name in self._pictures]
        self.classes = tuple(sorted(set(folders))) if all(folders) else ()
        numbers = {name: number for number, name in enumerate(self.classes)}
        self._labels = [numbers.get(folder, 0) for folder in folders]
        self._names = list(self._pictures)
        self._decoded: dict[int, Tensor] = {}
        self._keeps = len(self._names) * channels * resolution**2 <= CACHE_BYTES
        self.spec = DataSpec((channels, resolution, resolution), len(self.classes), (-1.0, 1.0))

    def __len__(self) -> int:
        return len(self._names) * (2 if self._flips else 1)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Picture [C, R, R] float32 and its label."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of a data set of {len(self)}")
        mirrored, which = divmod(index % len(self), len(self._names))
        pixels = self._pixels(which)
        return (pixels.flip(-1) if mirrored else pixels) / 127.5 - 1.0, self._labels[which]

    @property
    def labels(self) -> Tensor:
        """Of every sample, int64 [len(self)]."""
        return torch.tensor(self._labels * (2 if self._flips else 1))

    def fingerprint(self) -> str:
        """Of names, file sizes and settings, not of the content: cheap enough for every start."""
        shape, flips = self.spec.shape, self._flips
        return fingerprint_of(dataset="image-folder", pictures=self._pictures, shape=shape, flips=flips)

    def __getstate__(self) -> dict[str, object]:
        """Without the decoded pictures: a worker process reads its own."""
        return {**self.__dict__, "_decoded": {}}

    def _pixels(self, which: int) -> Tensor:
        """uint8 [C, R, R].  Threads that want one picture at once decode it twice and keep either."""
        pixels = self._decoded.get(which)
        if pixels is None:
            pixels = torch.from_numpy(read_square(self._root / self._names[which], self.spec.shape[-1], self._channels))
            if self._keeps:
                self._decoded[which] = pixels
        return pixels


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


def _pictures(root: Path) -> dict[str, int]:
    """Name below the root, with slashes -> size in bytes, sorted by name.  Raises DataError when there is none."""
    sizes: dict[str, int] = {}
    seen: Counter[str] = Counter()
    for file in _files(root):
        seen[file.suffix.lower() or "no extension"] += 1
        if file.suffix.lower() in extensions():
            sizes[file.relative_to(root).as_posix()] = _size(file)
    if not sizes:
        endings = ", ".join(f"{ending} {count}" for ending, count in seen.most_common(8))
        what = f"{seen.total()} files, none of them a picture ({endings})" if seen else "no file"
        raise DataError(f"{str(root)!r} holds {what}", at=str(root), fix="give a folder of .jpg, .png, .webp, … files")
    return dict(sorted(sizes.items()))


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


def _size(file: Path) -> int:
    try:
        status = file.stat()
    except OSError as error:  # a link that leads nowhere
        raise BadImageError(f"the picture {str(file)!r} cannot be read: {error.strerror}", at=str(file), fix=REMOVE) from error
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise BadImageError(f"the picture {str(file)!r} cannot be read: it is no regular file", at=str(file), fix=REMOVE)
    return status.st_size


def _undecodable(root: Path, names: Iterable[str], resolution: int, channels: Literal[1, 3], most: int) -> set[str]:
    """Decode every picture -> names of those that fail.  Raises the first fault when there are more than `most`."""
    faults: dict[str, BadImageError | ImageTooLargeError] = {}
    names = list(names)
    for name in names:
        try:
            read_square(root / name, resolution, channels)
        except (BadImageError, ImageTooLargeError) as error:
            faults[name] = error
    if not faults:
        return set()
    if len(faults) > most or len(faults) == len(names):
        first = next(iter(faults.values()))
        first.what += f" ({len(faults)} of {len(names)} pictures cannot be read, max_bad is {most})"
        raise first
    told = f"{len(faults)} of {len(names)} pictures cannot be read and are left out: {', '.join(faults)}"
    warnings.warn(printable(told), stacklevel=3)
    return set(faults)


def _check_headers(paths: list[Path]) -> None:
    """Open every header.  Raises the first fault, with the number of such files."""
    faults: list[BadImageError] = []
    for path in paths:
        try:
            check_header(path)
        except BadImageError as error:
            faults.append(error)
    if not faults:
        return
    first = faults[0]
    if len(faults) > 1:
        first.what += f" ({len(faults)} of {len(paths)} pictures cannot be read; this is the first)"
    raise first
