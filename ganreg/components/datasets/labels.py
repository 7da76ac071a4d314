"""Labels of pictures: from the folders they lie in, or from a JSON or CSV file of (name, label) pairs.

    file,label                     {"labels": [["cats/1.png", 0], ["dogs/1.png", 1]]}         StyleGAN's dataset.json
    cats/1.png,cat                 {"cats/1.png": 0, "dogs/1.png": 1}

A label is a number from 0 on, which is the class, or a name; names are numbered as "classes" lists them, else as they sort.
"""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ganreg.errors import DataError, printable

MAX_CLASSES = 65_536  # labels beyond are no classes, but numbers of something else
FORMS = 'CSV with the columns file,label, or JSON {"labels": [["name.png", 0], …]}'
NUMBERED = re.compile(r"\d{5}")
"""Folders of a thousand pictures each, as in archives of the form of StyleGAN's: no classes."""


@dataclass(frozen=True)
class Labels:
    """A number for each picture, and what the numbers are called; no classes: every label is 0."""

    numbers: tuple[int, ...]
    classes: tuple[str, ...]


def of_folders(names: Sequence[str], *, numbered: bool = True) -> Labels:
    """First-level folders are the classes if every picture lies in one; unless `numbered`, not where all are `NUMBERED`."""
    folders = [name.split("/", 1)[0] if "/" in name else "" for name in names]
    classes = tuple(sorted(set(folders))) if all(folders) and (numbered or not all(map(NUMBERED.fullmatch, folders))) else ()
    numbers = {name: number for number, name in enumerate(classes)}
    return Labels(tuple(numbers.get(folder, 0) for folder in folders), classes)


def of_file(content: bytes, names: Sequence[str], place: str) -> Labels:
    """A file's content -> the labels of these pictures.  Raises DataError; warns of labels for pictures that are not there."""
    known, called = _read(content, place)
    if known is None:
        return Labels((0,) * len(names), ())
    missing = [name for name in names if _plain(name) not in known]
    if missing:
        what = f"{len(missing)} of {len(names)} pictures have no label, the first is {missing[0]!r}"
        raise DataError(what, at=place, fix="give each picture a label, or take it out")
    if len(known) > len(names):
        there = {_plain(name) for name in names}
        first = next(name for name in known if name not in there)
        told = f"{len(known) - len(names)} labels are of no picture that is read, the first of {first!r}"
        warnings.warn(printable(told), stacklevel=4)
    return _numbered([known[_plain(name)] for name in names], called, place)


def _read(content: bytes, place: str) -> tuple[dict[str, Any] | None, Sequence[str]]:
    """-> labels by plain name, or None where the file says that there are none; what the classes are called, if it says so."""
    try:
        text = content.decode("utf-8-sig")
        if place.lower().endswith(".csv"):
            return _unique(_rows(text, place), place), ()
        said = json.loads(text, object_pairs_hook=_object)
    except RecursionError as error:
        raise DataError("the labels are nested too deeply", at=place, fix=f"give {FORMS}") from error
    except (ValueError, csv.Error) as error:  # not UTF-8, no JSON, a number of a million digits
        raise DataError(f"the labels cannot be read: {printable(str(error)[:200])}", at=place, fix=f"give {FORMS}") from error
    called = said.get("classes") if isinstance(said, dict) else None
    pairs = said["labels"] if isinstance(said, dict) and "labels" in said else said
    if pairs is None:
        return None, ()
    if isinstance(pairs, dict):
        pairs = list(pairs.items())
    if not isinstance(pairs, list) or not all(isinstance(one, list | tuple) and len(one) == 2 for one in pairs):
        raise DataError("the labels are no list of [name, label] pairs", at=place, fix=f"give {FORMS}")
    if called is not None and not (isinstance(called, list) and all(isinstance(one, str) for one in called)):
        raise DataError("'classes' is no list of names", at=place, fix='give "classes": ["cat", "dog"], or leave it out')
    _check_classes(called or (), place)
    return _unique(pairs, place), called or ()


def _check_classes(called: Sequence[str], place: str) -> None:
    """Raises DataError."""
    if len(called) > MAX_CLASSES:
        raise DataError(f"{len(called)} classes, at most {MAX_CLASSES}", at=place, fix="give fewer classes")
    if twice := [name for name, count in Counter(called).items() if count > 1]:
        what = printable(f"'classes' names {twice[0][:80]!r} twice")
        raise DataError(what, at=place, fix="give each class a name of its own")


def _rows(text: str, place: str) -> Iterable[tuple[Any, Any]]:
    """The two columns; a column of whole numbers only is one of numbers."""
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    head = rows.fieldnames or ()
    if not {"file", "label"} <= set(head):
        told = ", ".join(head)[:200] or "none"
        raise DataError(f"the labels need the columns file and label, got {printable(told)}", at=place, fix=f"give {FORMS}")
    pairs = [(row["file"], (row["label"] or "").strip()) for row in rows]
    if all(re.fullmatch(r"\d{1,9}", label) for _, label in pairs):
        return [(name, int(label)) for name, label in pairs]
    return pairs


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, whose reader would let the last of two values win.  Raises ValueError."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if found.setdefault(key, value) != value:
            raise ValueError(f"{key!r} has two values, {found[key]!r} and {value!r}")
    return found


def _unique(pairs: Iterable[Sequence[Any]], place: str) -> dict[str, Any]:
    """Labels by plain name: two spellings are one picture.  Raises DataError."""
    found: dict[str, Any] = {}
    for name, label in pairs:
        if not isinstance(name, str) or not name:
            raise DataError(f"the name of a picture is text, got {str(name)[:80]!r}", at=place, fix=f"give {FORMS}")
        first = found.setdefault(_plain(name), label)
        if first != label:
            raise DataError(f"{name!r} has two labels, {first!r} and {label!r}", at=place, fix="keep one of them")
    return found


def _numbered(labels: Sequence[Any], called: Sequence[str], place: str) -> Labels:
    kinds = {type(label) for label in labels}
    if kinds == {int}:
        most = max(labels)
        if min(labels) < 0 or most >= MAX_CLASSES:
            what = f"labels must be from 0 to {MAX_CLASSES - 1}, got {min(labels)} to {most}"
            raise DataError(what, at=place, fix="number the classes from 0 on")
        if called and most >= len(called):
            raise DataError(f"label {most} has no name: {len(called)} classes are named", at=place, fix="name every class")
        return Labels(tuple(labels), tuple(called) or tuple(map(str, range(most + 1))))
    if kinds == {str} and all(labels):
        classes = tuple(called) or tuple(sorted(set(labels)))
        if strange := sorted({*labels} - {*classes}):
            what = printable(f"label {strange[0][:80]!r} is none of the {len(classes)} classes that are named")
            raise DataError(what, at=place, fix="name every class")
        if len(classes) > MAX_CLASSES:
            raise DataError(f"{len(classes)} classes, at most {MAX_CLASSES}", at=place, fix="give fewer classes")
        numbers: Mapping[str, int] = {name: number for number, name in enumerate(classes)}
        return Labels(tuple(numbers[label] for label in labels), classes)
    others = [label for label in labels if type(label) is not type(labels[0]) or label == ""]
    odd = (others or labels)[0]
    what = f"a label is a number from 0 on, or a name, for all alike; got {str(odd)[:80]!r}"
    raise DataError(printable(what), at=place, fix=f"give {FORMS}")


def _plain(name: str) -> str:
    """One spelling: slashes, no leading './'."""
    return str(PurePosixPath(name.replace("\\", "/")))
