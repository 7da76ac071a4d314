"""Statistics of the reals, kept between measurements: safetensors, which run no code, under a name of what they are of."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ganreg.contracts import Moments
from ganreg.engine.data import Source
from ganreg.errors import reason_of

FORMAT = 1
TENSORS = ("features", "class_logits")


def place_of(folder: Path | None, source: Source, facts: Mapping[str, Any]) -> Path | None:
    """The file for these data and facts; None where nothing tells the data from others.

    That needs a fingerprint of their own, and where it looks at less than the content, when the content was written.
    """
    if folder is None or not hasattr(source.dataset, "fingerprint"):
        return None
    written = source.dataset.written() if hasattr(source.dataset, "written") else ""
    if written is None:
        return None
    told = json.dumps({"format": FORMAT, "data": source.fingerprint(), "written": written, **facts}, sort_keys=True)
    return folder / f"{hashlib.sha256(told.encode()).hexdigest()}.safetensors"


def load(path: Path) -> dict[str, Any] | None:
    """What `save` was given; None where there is none.  A damaged file is told, and no more."""
    try:
        tensors = load_tensors(path.read_bytes())
        return _unpacked(tensors)
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        warnings.warn(f"statistics of the reals cannot be read and are made anew: {path}: {reason_of(error)}", stacklevel=3)
        return None


def save(path: Path, seen: Mapping[str, Any]) -> None:
    """Whole or not at all; a place that cannot be written costs only time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=".statistics-", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(save_tensors(_packed(seen)))
        Path(part).replace(path)
    except OSError as error:
        warnings.warn(f"statistics of the reals are not kept: {error}", stacklevel=3)


def _packed(seen: Mapping[str, Any]) -> dict[str, Tensor]:
    import torch

    tensors = {"counts": torch.tensor([seen["count"], seen["width"]])}
    if seen["moments"] is not None:
        tensors |= {"mean": seen["moments"].mean, "covariance": seen["moments"].covariance}
    return tensors | {name: seen[name].contiguous() for name in TENSORS if seen[name] is not None}


def _unpacked(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    count, width = (int(number) for number in tensors["counts"])
    moments = Moments(count, tensors["mean"], tensors["covariance"]) if "mean" in tensors else None
    return {"count": count, "width": width, "moments": moments, **{name: tensors.get(name) for name in TENSORS}}
