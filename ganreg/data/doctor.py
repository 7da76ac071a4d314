"""The doctor of data sets: what is in one, what is wrong with it, and what training would do to it, before step 0."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from ganreg.components.datasets.archive import ZipFiles
from ganreg.components.datasets.files import Files, FolderFiles
from ganreg.components.datasets.labels import Labels, of_file, of_folders
from ganreg.data.crew import each
from ganreg.data.fitting import Fitted, fitted
from ganreg.data.looking import Seen, look, reason
from ganreg.errors import DataError

MAX_BAD = 10  # what `max_bad` of the data sets is by default
BATCH = 64  # what the batch size of a run is by default
LABEL_FILES = ("dataset.json", "labels.csv", "labels.json")

Told = Callable[[int, int], None]
"""Is told how many of how many are done."""


@dataclass
class Diagnosis:
    """What was found.  `names` of bad pictures have their reasons; `changes` says what becomes of how many at `resolution`."""

    path: str
    dataset: str
    resolution: int | None
    images: int = 0
    bytes: int = 0
    bad: dict[str, str] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    formats: dict[str, int] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, list[int] | int] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=dict)
    labels: str = "none"
    classes: dict[str, int] = field(default_factory=dict)
    duplicates: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    why_not: str = ""
    command: str = ""

    @property
    def readable(self) -> int:
        """Pictures that can be trained on."""
        return self.images - len(self.bad)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "readable": self.readable, "trainable": not self.why_not}


def open_files(path: Path, dataset: str) -> Files:
    """The pictures of a folder or an archive.  Raises DataError, ArchiveError."""
    return ZipFiles(path) if dataset == "image-zip" else FolderFiles(path)


def labels_of(files: Files, names: list[str], asked: str | None) -> tuple[str, Labels]:
    """Where labels come from, and what they are: a file that was asked for, an archive's own, folders.  Raises DataError."""
    is_zip = isinstance(files, ZipFiles)
    if asked is None and isinstance(files, ZipFiles) and LABEL_FILES[0] in files:
        asked = LABEL_FILES[0]
    if asked is not None:
        return asked, of_file(files.text(asked), names, f"{files.root}/{asked}")
    return "folders", of_folders(names, numbered=not is_zip)


def examine(
    path: Path, dataset: str, *, resolution: int, labels: str | None = None, processes: int = 1, told: Told | None = None
) -> Diagnosis:
    """Look at every picture of a folder or an archive.  Raises DataError where there is none, ArchiveError."""
    files = open_files(path, dataset)
    found = Diagnosis(str(path), dataset, resolution)
    names = list(files.sizes)
    seen: list[Seen] = [Seen(name, reason(error, files.place(name))) for name, error in sorted(files.faults.items())]
    for number, one in enumerate(each(look, files, names, processes), 1):
        seen.append(one)
        if told is not None:
            told(number, len(names))
    whole = [one for one in seen if not one.why]
    found.images = len(seen)
    found.bytes = sum(files.sizes.values())
    found.bad = {one.name: one.why for one in seen if one.why}
    found.others = _counted(files.others)
    found.formats = _counted(one.form for one in whole)
    found.modes = _counted(one.mode for one in whole)
    found.sizes = _sizes([(one.width, one.height) for one in whole])
    found.changes = _changes(whole, resolution)
    found.duplicates = _same((one.name, one.digest) for one in whole)
    why_not = _label(found, files, [one.name for one in whole], labels)
    judge(found, fitted(resolution, resolution, resolution), labels=labels, why_not=why_not)
    return found


def judge(found: Diagnosis, size: Fitted, *, labels: str | None = None, why_not: str = "") -> None:
    """Whether it can be trained on, and the command that comes next, at a size that its networks make."""
    if found.readable < 2:
        why_not = f"{found.readable} of {found.images} pictures can be read"
    elif len(found.bad) > found.readable:
        why_not = f"{len(found.bad)} of {found.images} pictures cannot be read"
    found.why_not = why_not
    if why_not:
        return
    words: list[str] = []
    if labels is not None:
        words += ["--dataset.labels", labels]
    if found.bad:
        words += ["--dataset.on-bad", "skip"]
    if len(found.bad) > MAX_BAD:
        words += ["--dataset.max-bad", str(len(found.bad))]
    found.notes += [size.note] if size.note else []
    found.command = training(found.path, found.readable, resolution=size.resolution, words=[*words, *size.words])


def training(path: str, count: int, *, resolution: int | None, words: Sequence[str] = ()) -> str:
    """The command that trains on data of this many samples: one batch is not more than there are."""
    size = ["--resolution", str(resolution)] if resolution is not None else []
    batch = ["--batch-size", str(1 << (count.bit_length() - 1))] if count < BATCH else []
    return shlex.join(["ganreg", "train", "--data", path, *size, *words, *batch])


def _label(found: Diagnosis, files: Files, names: list[str], asked: str | None) -> str:
    """Fill in the classes -> why the labels cannot be used, or nothing."""
    try:
        source, labels = labels_of(files, names, asked)
    except DataError as error:
        found.labels = asked or LABEL_FILES[0]
        return error.what
    if labels.classes:
        counts = Counter(labels.numbers)
        found.labels = source
        found.classes = {name: counts[number] for number, name in enumerate(labels.classes)}
        empty = [name for name, count in found.classes.items() if not count]
        if empty:
            found.notes.append(f"{len(empty)} classes have no picture: {', '.join(empty[:5])}")
    if asked is None and isinstance(files, FolderFiles):
        beside = next((name for name in LABEL_FILES if (files.root / name).is_file()), None)
        if beside is not None:
            found.notes.append(f"{beside} lies beside the pictures and is not read: --labels {beside}")
    return ""


def _counted(things: Iterable[str] | Counter[str]) -> dict[str, int]:
    return dict(Counter(things).most_common())


def _sizes(sizes: list[tuple[int, int]]) -> dict[str, list[int] | int]:
    if not sizes:
        return {}
    by_area = sorted(sizes, key=lambda size: size[0] * size[1])
    middle = [int(median(side)) for side in zip(*sizes, strict=True)]
    return {"smallest": [*by_area[0]], "median": middle, "largest": [*by_area[-1]], "different": len(set(sizes))}


def _changes(whole: list[Seen], resolution: int) -> dict[str, int]:
    """What reading does to how many of them."""
    sides = [min(one.width, one.height) for one in whole]
    return {
        "cropped to the centred square": sum(one.width != one.height for one in whole),
        "enlarged": sum(side < resolution for side in sides),
        "shrunk": sum(side > resolution for side in sides),
        "converted to RGB": sum(one.mode != "RGB" for one in whole),
        "turned as the camera says": sum(one.turned for one in whole),
        "first frame of several": sum(one.animated for one in whole),
    }


def _same(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Names with one digest, together."""
    groups: dict[str, list[str]] = {}
    for name, digest in pairs:
        groups.setdefault(digest, []).append(name)
    return [names for names in groups.values() if len(names) > 1]
