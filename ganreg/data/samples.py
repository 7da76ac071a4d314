"""The doctor for data that are no files of pictures: arrays, tables, anything that is a data set; and how fast any is read."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ganreg.data.doctor import Diagnosis, Told, judge
from ganreg.data.fitting import fitted
from ganreg.engine.data import Batches, labels_of, source_of
from ganreg.errors import GanregError

BATCH = 64


def examine_samples(data: Any, path: str, dataset: str, resolution: int | None, told: Told | None = None) -> Diagnosis:
    """Read every sample of a data set.  A sample that raises one of our errors is bad."""
    found = Diagnosis(path, dataset, resolution, images=len(data))
    digests: dict[bytes, list[str]] = {}
    constant = 0
    for index in range(len(data)):
        name = f"[{index}]"
        try:
            sample, _ = _read(data, index)
        except GanregError as error:
            found.bad[name] = error.what
            continue
        digests.setdefault(hashlib.blake2b(sample.numpy().tobytes(), digest_size=16).digest(), []).append(name)
        constant += bool((sample == sample.flatten()[0]).all())
        if told is not None:
            told(index + 1, len(data))
    channels, height, width = data.spec.shape
    found.sizes = {"smallest": [width, height], "median": [width, height], "largest": [width, height], "different": 1}
    found.modes = {f"{channels} channels": found.readable}
    found.bytes = found.readable * channels * height * width
    found.duplicates = [names for names in digests.values() if len(names) > 1]
    if constant:
        found.notes.append(f"{constant} pictures have one colour everywhere")
    labels = labels_of(data)
    classes = getattr(data, "classes", ())
    if labels is not None and classes:
        counts = Counter(labels.tolist())
        found.labels, found.classes = "labels", {name: counts[number] for number, name in enumerate(classes)}
    judge(found, fitted(height, width, resolution, resizes=_resizes(data)))
    if found.bad:  # such data sets leave nothing out
        found.why_not, found.command = f"{len(found.bad)} of {found.images} pictures cannot be read", ""
    return found


def images_per_second(data: Any, *, workers: int, seconds: float = 3.0) -> float:
    """How many samples a second the loader of a run gives, each decoded anew; the start of its workers does not count."""
    if hasattr(data, "forget"):
        data.forget()
    size = max(1, min(BATCH, len(data)))
    batches = Batches(source_of(data), batch_size=size, seed=0, device=torch.device("cpu"), workers=workers)
    found = rate(lambda: len(batches.next().real), workers=workers, seconds=seconds)
    batches.close()
    return found


def rate(take: Callable[[], int], *, workers: int, seconds: float) -> float:
    """How many samples a second `take` takes, which says how many it took; what was read ahead before does not count."""
    for _ in range(1 + 2 * workers):
        take()
    began, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds:
        count += take()
    return count / spent


def _resizes(data: Any) -> bool:
    """Whether it can be read at another resolution: bytes of one or three channels can."""
    is_bytes = hasattr(data, "as_bytes") or any(held.dtype == torch.uint8 for held in getattr(data, "tensors", ())[:1])
    return is_bytes and data.spec.shape[0] in (1, 3)


def _read(data: Any, index: int) -> tuple[Tensor, int]:
    read = data.as_bytes if hasattr(data, "as_bytes") else data.__getitem__
    sample, label = read(index)
    return sample, int(label)
