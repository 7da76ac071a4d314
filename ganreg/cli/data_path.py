"""Which data set reads a path: decided by what lies there, then by its ending."""

from __future__ import annotations

from pathlib import Path

from ganreg.errors import UsageError

READERS = {".zip": "image-zip", ".npz": "npz", ".h5": "hdf5", ".hdf5": "hdf5", ".parquet": "huggingface"}
SAVED = ("dataset_dict.json", "state.json")
"""What the library datasets leaves in a folder that it wrote."""


def reader_of(path: Path, *, at: str) -> str:
    """The name of a data set.  Raises UsageError for a file with an ending that none of them reads."""
    if path.suffix.lower() in READERS and not path.is_dir():
        return READERS[path.suffix.lower()]
    if path.is_file():
        known = ", ".join(READERS)
        what = f"no data set reads '{path.name}': expected a folder of pictures, or a file that ends in {known}"
        raise UsageError(what, at=at, fix="ganreg list datasets, then --dataset NAME")
    return "huggingface" if any((path / name).is_file() for name in SAVED) else "image-folder"
