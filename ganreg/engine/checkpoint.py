"""A checkpoint on disk: a directory of safetensors files, state.json, and manifest.json with the sha256 of each.

    RUN/checkpoints/step-00001000/   generator.safetensors  discriminator.safetensors  ema.safetensors
                                     optimizer-*.safetensors  random.safetensors  state.json  manifest.json

It is written beside its place under a name that begins with a dot, then renamed: a directory with its final name is whole.
No file of it can run code when it is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ganreg.errors import CheckpointError, StorageError

FORMAT = 1


def save(directory: Path, files: Mapping[str, Mapping[str, Tensor]], values: Mapping[str, Any]) -> Path:
    """Write `directory`; one that is there already stays.  Raises StorageError."""
    if directory.exists():
        return directory
    beside = directory.with_name(f".{directory.name}.part")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        contents = {f"{name}.safetensors": _packed(tensors) for name, tensors in files.items()}
        contents["state.json"] = json.dumps(values, indent=1, sort_keys=True).encode()
        manifest: dict[str, Any] = {"format": FORMAT, "step": values["step"], "files": {}}
        for name, content in contents.items():
            _write(beside / name, content)
            manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        _write(beside / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True).encode())
        beside.rename(directory)
    except OSError as error:
        raise StorageError(
            f"the checkpoint cannot be written: {error.strerror or error}",
            at=str(directory),
            fix="make room, or give another --out",
        ) from error
    return directory


def load(directory: Path, only: tuple[str, ...] | None = None) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read and verify a checkpoint, or some of its files -> tensors by file, values.  Raises CheckpointError."""
    manifest = _manifest(directory)
    files: dict[str, dict[str, Tensor]] = {}
    values: dict[str, Any] = {}
    for name, entry in manifest["files"].items():
        stem, _, kind = name.partition(".")
        if only is not None and kind == "safetensors" and stem not in only:
            continue
        content = _verified(directory / Path(name).name, entry)
        if kind == "safetensors":
            files[stem] = load_tensors(content)
        else:
            values = json.loads(content)
    return files, values


def checkpoints(run_dir: Path) -> list[Path]:
    """The run's checkpoints, oldest step first."""
    return sorted(path for path in (run_dir / "checkpoints").glob("step-*") if (path / "manifest.json").is_file())


def latest(run_dir: Path) -> Path:
    """The checkpoint with the most steps.  Raises CheckpointError when there is none."""
    found = checkpoints(run_dir)
    if not found:
        raise CheckpointError("the run has no checkpoint", at=str(run_dir), fix="give the directory of a run that was saved")
    return found[-1]


def rotate(run_dir: Path, keep: int) -> None:
    """Remove all but the newest `keep`."""
    for path in checkpoints(run_dir)[:-keep]:
        shutil.rmtree(path, ignore_errors=True)


def _packed(tensors: Mapping[str, Tensor]) -> bytes:
    return save_tensors({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()})


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _manifest(directory: Path) -> dict[str, Any]:
    path = directory / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        if manifest["format"] != FORMAT:
            raise CheckpointError(
                f"the checkpoint has format {manifest['format']}, this ganreg reads {FORMAT}",
                at=str(path),
                fix="update ganreg",
            )
        return manifest
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"the manifest cannot be read: {error}", at=str(path), fix="use another checkpoint") from error


def _verified(path: Path, entry: Mapping[str, Any]) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"a file is missing: {error.strerror}", at=str(path), fix="use another checkpoint") from error
    if len(content) != entry["bytes"]:
        raise CheckpointError(
            f"{'truncated' if len(content) < entry['bytes'] else 'too long'}: {len(content)} of {entry['bytes']} bytes",
            at=str(path),
            fix="use another checkpoint",
        )
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise CheckpointError("damaged: its sha256 is not the manifest's", at=str(path), fix="use another checkpoint")
    return content
