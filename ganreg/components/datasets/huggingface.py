"""Hugging Face: pictures that the library `datasets` reads: a folder that it saved, parquet, a folder of pictures, the hub.

What is done to each picture is defined in `pictures`.  No code of a data set is run.

Lhoest et al., "Datasets: A Community Library for Natural Language Processing", 2021.  https://arxiv.org/abs/2109.02846
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ganreg.components.datasets.arrays import class_numbers, numbers
from ganreg.components.datasets.fingerprint import fingerprint_of
from ganreg.components.datasets.pictures import READING, bad, read_square
from ganreg.contracts import DataSpec
from ganreg.errors import DataError, reason_of
from ganreg.extras import need

LABEL = "label"
SHUFFLED = 1000
"""Pictures of a stream that wait at once, from which the next one is drawn."""


def huggingface(
    *,
    path: Annotated[str, Field(description="a saved data set, .parquet, a folder of pictures, or a name on the hub")],
    split: Annotated[str, Field(description="which part of it")] = "train",
    image: Annotated[str, Field(description="the column of pictures")] = "image",
    label: Annotated[str | None, Field(description="the column of labels, where there is one")] = LABEL,
    resolution: Annotated[int, Field(ge=8, description="height and width in pixels")] = 64,
    channels: Annotated[Literal[1, 3], Field(description="1 for grey, 3 for colour")] = 3,
    streaming: Annotated[
        bool, Field(description="read one after the other, never all; a resumed run is then not exact")
    ] = False,
) -> HuggingFace | HuggingFaceStream:
    """Pictures [C, R, R] in [-1, 1], in memory or on disk as `datasets` keeps them; or as a stream.

    Raises UsageError without the library, DataError with its words for what it cannot read, and for columns that are not there.
    """
    need("datasets", "hf", of="dataset 'huggingface'")
    import datasets

    rows = _load(path, split, streaming)
    labelled = _labelled(rows, path, image, label)
    rows = rows.select_columns([name for name in (image, labelled) if name])
    rows = rows.cast_column(image, datasets.Image(decode=False))
    made = HuggingFaceStream if streaming else HuggingFace
    return made(rows, f"{path}, {split}", image, labelled, resolution, channels, _folders(path))


class HuggingFace:
    """One picture for each row; `classes` are the names that the column of labels has, or its numbers or texts."""

    def __init__(
        self,
        rows: Any,
        place: str,
        image: str,
        label: str | None,
        resolution: int,
        channels: Literal[1, 3],
        folders: Sequence[Path],
    ) -> None:
        self._rows = rows.select_columns([image])
        self._place, self._image = place, image
        self._resolution, self._channels, self._folders = resolution, channels, folders
        self.classes: tuple[str, ...] = ()
        self.labels = torch.zeros(len(rows), dtype=torch.int64)
        if label is not None:
            column = f"{place}: {label}"
            self.labels, self.classes = class_numbers(_array(rows[label][:], column), len(rows), column)
            self.classes = _names(rows, label) or self.classes
            _check_label(int(self.labels.max()) if len(rows) else 0, self.classes, column)
        self.spec = DataSpec((channels, resolution, resolution), len(self.classes), (-1.0, 1.0))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Picture [C, R, R] float32 and its label."""
        sample, label = self.as_bytes(index)
        return numbers(sample), label

    def as_bytes(self, index: int) -> tuple[Tensor, int]:
        """Picture uint8 [C, R, R] and its label.  Raises BadImageError, ImageTooLargeError."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of a data set of {len(self)}")
        index %= len(self)
        place = f"{self._place}: row {index}"
        file = _picture(self._rows[index][self._image], self._folders, place)
        return _decoded(file, self._resolution, self._channels, place), int(self.labels[index])

    def fingerprint(self) -> str:
        """Of the number of rows, the labels, the first and the last picture, and the shape."""
        ends = [hashlib.sha256(self.as_bytes(index)[0].numpy().tobytes()).hexdigest() for index in (0, -1) if len(self)]
        facts = {"count": len(self), "labels": self.labels.tolist(), "ends": ends, "shape": self.spec.shape}
        return fingerprint_of(dataset="huggingface", reading=READING, **facts)

    def written(self) -> None:
        """Not known of rows, which may name files anywhere."""


class HuggingFaceStream(IterableDataset[Any]):
    """Pictures uint8 [C, R, R] and labels one after the other, each pass in another order as far as `SHUFFLED` reaches.

    Several worker processes share the stream; the library gives each its own files, and one that has none ends at once.
    """

    def __init__(
        self,
        rows: Any,
        place: str,
        image: str,
        label: str | None,
        resolution: int,
        channels: Literal[1, 3],
        folders: Sequence[Path],
    ) -> None:
        self._rows, self._place, self._image, self._label = rows, place, image, label
        self._resolution, self._channels, self._folders = resolution, channels, folders
        self.classes: tuple[str, ...] = ()
        if label is not None:
            self.classes = _names(rows, label)
            if not self.classes:
                what = f"how many classes the column {label!r} has cannot be told of a stream"
                raise DataError(what, at=place, fix="--dataset.label none, or --dataset.streaming false")
        self.spec = DataSpec((channels, resolution, resolution), len(self.classes), (-1.0, 1.0))

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        worker = get_worker_info()
        seed = (worker.seed - worker.id if worker is not None else int(torch.initial_seed())) % 2**32
        for number, row in enumerate(self._rows.shuffle(seed=seed, buffer_size=SHUFFLED)):
            place = f"{self._place}: picture {number} of the stream"
            label = _check_label(row[self._label], self.classes, place) if self._label is not None else 0
            file = _picture(row[self._image], self._folders, place)
            yield _decoded(file, self._resolution, self._channels, place), label

    def fingerprint(self) -> str:
        """Of where it comes from and the shape: its content is not known beforehand."""
        return fingerprint_of(dataset="huggingface", stream=self._place, image=self._image, shape=self.spec.shape)


def _load(path: str, split: str, streaming: bool) -> Any:
    """Rows of a split.  Raises DataError with the library's own words."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        local = Path(path).expanduser()
        if local.is_dir() and any((local / name).is_file() for name in ("state.json", "dataset_dict.json")):
            return _saved(datasets.load_from_disk(str(local)), split, streaming)
        if local.is_dir() or local.is_file():
            parquet = [str(local)] if local.is_file() else sorted(map(str, local.rglob("*.parquet")))
            given: dict[str, Any] = {"data_files": parquet} if parquet else {"data_dir": str(local)}
            return datasets.load_dataset("parquet" if parquet else "imagefolder", split=split, streaming=streaming, **given)
        if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", path):
            raise FileNotFoundError("there is no such file or folder, and no name on the hub is written so")
        return datasets.load_dataset(path, split=split, streaming=streaming)
    except Exception as error:
        fix = "give a saved data set, .parquet files, a folder of pictures, or USER/NAME on the hub where it can be reached"
        raise DataError(f"{path!r}, {split} cannot be read: {reason_of(error)}", at=path, fix=fix) from error
    finally:
        if shown:
            datasets.enable_progress_bars()


def _saved(found: Any, split: str, streaming: bool) -> Any:
    import datasets

    if isinstance(found, datasets.DatasetDict):
        if split not in found:
            raise ValueError(f"it has no split {split!r}, but {', '.join(found)}")
        found = found[split]
    return found.to_iterable_dataset() if streaming else found


def _labelled(rows: Any, path: str, image: str, label: str | None) -> str | None:
    """The column of labels that is really there.  Raises DataError."""
    import datasets

    features = rows.features or {}
    told = ", ".join(features) or "none"
    for name in (image, label):
        if name is not None and name not in features and name != LABEL:
            fix = "--dataset.image NAME and --dataset.label NAME"
            raise DataError(f"there is no column {name!r}; there are: {told}", at=path, fix=fix)
    if not isinstance(features[image], datasets.Image):
        what = f"the column {image!r} does not hold pictures, but {features[image]}"
        raise DataError(what, at=path, fix="--dataset.image NAME")
    return label if label in features else None


def _names(rows: Any, label: str) -> tuple[str, ...]:
    return tuple(getattr(rows.features[label], "names", None) or ())


def _array(labels: Any, place: str) -> np.ndarray:
    """The column as one array.  Raises DataError where its cells have several lengths."""
    try:
        return np.asarray(labels)
    except ValueError as error:
        fix = "name a column of one label each, or --dataset.label none"
        raise DataError("the labels are lists of several lengths", at=place, fix=fix) from error


def _check_label(label: Any, names: Sequence[str], place: str) -> int:
    """One that has a name: the library does not look at the labels of files.  Raises DataError."""
    if not isinstance(label, int) or not 0 <= label < len(names):
        fix = "mend the column, or --dataset.label none"
        raise DataError(f"label {label} has no name: {len(names)} classes are named", at=place, fix=fix)
    return label


def _folders(path: str) -> tuple[Path, ...]:
    """Where files that rows name may lie: the folder of the data, and where the library keeps what it downloads or unpacks."""
    import datasets
    from huggingface_hub.constants import HF_HUB_CACHE

    local = Path(path).expanduser()
    own = [local] if local.is_dir() else [local.parent] if local.is_file() else []
    kept = [Path(datasets.config.HF_DATASETS_CACHE), Path(HF_HUB_CACHE)]
    return tuple(dict.fromkeys(written for folder in (*own, *kept) for written in (folder.absolute(), folder.resolve())))


def _picture(cell: Any, folders: Sequence[Path], place: str) -> BytesIO | Path:
    """The bytes of a picture, or its file in one of the folders: a row may say any path.  Raises BadImageError."""
    try:
        if cell["bytes"] is not None:
            return BytesIO(cell["bytes"])
        file = Path(os.path.normpath(folders[0] / cell["path"]))  # links are followed, as in any folder of pictures
    except (TypeError, KeyError) as error:
        raise bad(place, "the row holds no picture") from error
    if not any(file.is_relative_to(folder) for folder in folders):
        raise bad(place, "its path leads out of the data set's folder")
    try:
        is_file = stat.S_ISREG(file.stat().st_mode)
    except (OSError, ValueError) as error:
        raise bad(place, str(error)) from error
    if not is_file:  # opening a pipe would wait for ever
        raise bad(place, "its path is that of no regular file")
    return file


def _decoded(file: BytesIO | Path, resolution: int, channels: Literal[1, 3], place: str) -> Tensor:
    """A picture -> uint8 [C, R, R], by our rules and limits and not the library's."""
    return torch.from_numpy(read_square(file, resolution, channels, place))
