"""An exported generator on disk: a folder that is used without the run it came from.

    DIR/   config.json  generator.safetensors (or .pt2, .onnx)  README.md  samples.png  manifest.json with the sha256 of each

`config.json` says how the generator is built and what is known of how it was trained.  Nothing of such a folder runs code when
it is read, whoever wrote it: weights are safetensors, the generator is built by name from what is installed here.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from ganreg.contracts import DataSpec
from ganreg.engine import checkpoint
from ganreg.errors import CheckpointError

FORMAT = "ganreg-generator"
VERSION = 1
CONFIG, MANIFEST, WEIGHTS = "config.json", "manifest.json", "generator.safetensors"
PLAIN_NAME = re.compile(r"[\w-][\w.-]{0,80}\.(safetensors|json|md|png|pt2|onnx)")
MOST_JSON = 4 << 20  # bytes
MOST_HEADER = 16 << 20  # bytes of a safetensors file's own table

Count = Field(ge=0, le=2**53)


class Part(BaseModel):
    """The generator: its name, its settings, and who offers it."""

    model_config = ConfigDict(extra="ignore")
    name: str
    settings: dict[str, Any] = {}
    distribution: str = ""
    version: str = ""
    plugin_file: str = ""
    """The name of the single file that was loaded as a plugin, instead of a distribution."""
    sha256: str = ""


class Spec(BaseModel):
    """A DataSpec as JSON."""

    model_config = ConfigDict(extra="ignore")
    shape: tuple[int, ...] = Field(min_length=1, max_length=8)
    num_classes: int = Count
    value_range: tuple[float, float] | None = None

    def made(self) -> DataSpec:
        """The record that networks are built from."""
        return DataSpec(self.shape, self.num_classes, self.value_range)


class About(BaseModel):
    """What an export says of itself: `config.json`.  A key that a later version adds is left alone."""

    model_config = ConfigDict(extra="ignore")
    format: Literal["ganreg-generator"] = "ganreg-generator"
    format_version: int = VERSION
    ganreg: str
    torch: str
    generator: Part
    spec: Spec
    latent_dim: int = Field(ge=1, le=2**31)
    conditional: bool = False
    label_shares: list[float] | None = None
    class_names: list[str] = []
    """What the classes are called, in the order of their numbers; nothing where they have no names."""
    weights: Literal["averaged", "last"] = "averaged"
    step: int = Count
    images: int = Count
    training: dict[str, Any] = {}
    plugins: list[str] = []
    """Distributions beside ganreg that the run was trained with, "ganreg-foo 1.2"."""
    evaluations: list[dict[str, Any]] = []
    fixed_noise: bool = False
    """Whether noise that the generator draws inside was drawn once, as the graph formats have it."""
    license: str | None = None

    def text(self) -> str:
        """As the file has it."""
        return json.dumps(self.model_dump(mode="json"), indent=2) + "\n"


def is_export(path: Path) -> bool:
    """Whether a folder looks like one of these, whole or not."""
    return (path / CONFIG).is_file() and (path / MANIFEST).is_file()


def says_export(path: Path) -> bool:
    """Whether a file in the folder says that it is one of these: others have files of the same names."""
    for name in (CONFIG, MANIFEST):
        try:
            if _parsed(checkpoint.plain_bytes(path / name, MOST_JSON, _damaged), path).get("format") == FORMAT:
                return True
        except CheckpointError:
            continue
    return False


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    """What manifest.json says of these contents."""
    entries = {name: {"sha256": hashlib.sha256(one).hexdigest(), "size": len(one)} for name, one in sorted(files.items())}
    return (json.dumps({"format": FORMAT, "format_version": VERSION, "files": entries}, indent=1) + "\n").encode()


def manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """Name -> sha256 and size of each file that belongs to it.  Raises CheckpointError."""
    path = folder / MANIFEST
    told = _parsed(checkpoint.plain_bytes(path, MOST_JSON, _damaged), path)
    files = told.get("files")
    if told.get("format") != FORMAT or not isinstance(files, dict):
        raise _damaged("it is no manifest of an exported generator", path)
    _check_version(told.get("format_version"), path)
    for name, entry in files.items():
        plain = PLAIN_NAME.fullmatch(name) is not None and name != MANIFEST and isinstance(entry, dict)
        if not (plain and re.fullmatch(r"[0-9a-f]{64}", str(entry.get("sha256"))) and type(entry.get("size")) is int):
            raise _damaged(f"it does not list files by plain names, with sha256 and size ({name[:80]!r})", path)
    return files


def about(folder: Path) -> About:
    """What its config.json says, verified.  Raises CheckpointError."""
    path = folder / CONFIG
    told = _parsed(verified(folder, CONFIG), path)
    if told.get("format") != FORMAT:
        raise _damaged("it describes no exported generator", path)
    _check_version(told.get("format_version"), path)
    try:
        made = About.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        raise _damaged(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", path) from error
    shares = made.label_shares
    if shares is not None and not (
        len(shares) == made.spec.num_classes
        and all(math.isfinite(one) and one >= 0 for one in shares)
        and (not shares or sum(shares) > 0)
    ):
        raise _damaged("label_shares: one share for each class, at least 0, is what it must hold", path)
    if made.class_names and len(made.class_names) != made.spec.num_classes:
        raise _damaged("class_names: a name for each class is what it must hold, or none", path)
    return made


def weights(folder: Path) -> dict[str, Tensor]:
    """Its tensors, verified.  Raises CheckpointError."""
    path = folder / WEIGHTS
    content = verified(folder, WEIGHTS)
    try:
        if int.from_bytes(content[:8], "little") > MOST_HEADER:
            raise _damaged(f"its table is longer than {MOST_HEADER:,} bytes", path)
        return load_tensors(content)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, RuntimeError) as error:
        raise _damaged(f"it is no safetensors file: {(str(error).splitlines() or [''])[0]}", path) from error


def verify(folder: Path) -> None:
    """Read every file of it.  Raises CheckpointError, which names the first that is not as it was written."""
    for name in manifest(folder):
        verified(folder, name)


def verified(folder: Path, name: str) -> bytes:
    """The bytes of one file, as the manifest has them.  Raises CheckpointError."""
    entry = manifest(folder).get(name)
    if entry is None:
        holds = ", ".join(one for one in manifest(folder) if not one.endswith((".md", ".png", ".json"))) or "no weights"
        raise CheckpointError(
            f"the export holds {holds}, not {name}", at=str(folder), fix="ganreg export RUN --format safetensors"
        )
    path = folder / name
    content = checkpoint.plain_bytes(path, entry["size"], _damaged)
    if len(content) != entry["size"]:
        raise _damaged(f"truncated: {len(content)} of {entry['size']} bytes", path)
    found = hashlib.sha256(content).hexdigest()
    if found != entry["sha256"]:
        raise _damaged(f"damaged: its sha256 is {found}, the manifest says {entry['sha256']}", path)
    return content


def _check_version(found: Any, path: Path) -> None:
    if type(found) is int and found > VERSION:
        raise CheckpointError(f"the export has format {found}, this ganreg reads {VERSION}", at=str(path), fix="update ganreg")
    if type(found) is not int or found < 1:
        raise _damaged("its format_version is no number", path)


def _parsed(content: bytes, path: Path) -> dict[str, Any]:
    try:
        told = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise _damaged(f"it is no JSON: {error}", path) from error
    if not isinstance(told, dict):
        raise _damaged("it holds no JSON object", path)
    return told


def _damaged(what: str, path: Path) -> CheckpointError:
    return CheckpointError(what, at=str(path), fix="export or pull it again")
