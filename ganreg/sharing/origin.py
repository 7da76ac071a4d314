"""What is known of a trained generator, without what is only of the machine that trained it: paths keep their last name."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ganreg import __version__, yamltext
from ganreg import registry as registries
from ganreg.assembly import exported
from ganreg.assembly.exported import About, Part, Spec
from ganreg.assembly.load import Trained
from ganreg.engine import checkpoint
from ganreg.errors import CheckpointError

TOLD = (
    "recipe",
    "dataset",
    "discriminator",
    "loss",
    "generator_optimizer",
    "discriminator_optimizer",
    "regularizers",
    "augmentation",
    "batch_size",
    "discriminator_steps",
    "latents",
    "accumulate",
    "clip",
    "precision",
    "ema",
    "seed",
)
"""Keys of a run's config.yaml that say how it was trained; the others are about where."""

MOST_EVALUATIONS = 16 << 20  # bytes


def at_step(run: Path, step: int | None) -> Path:
    """The run, or its checkpoint of this step.  Raises CheckpointError."""
    if step is None:
        return run
    found = {checkpoint.step_of(path): path for path in checkpoint.checkpoints(run)}
    if step not in found:
        known = ", ".join(map(str, sorted(found))) or "none"
        raise CheckpointError(f"there is no checkpoint of step {step}: {known}", at=str(run), fix="leave --checkpoint out")
    return found[step]


def about(trained: Trained) -> About:
    """What an export of it says: of a run from its files, of an export what that says itself.  Raises CheckpointError."""
    if exported.is_export(trained.path):
        return exported.about(trained.path)
    chosen, run = trained.path, trained.path.parents[1]
    told = checkpoint.manifest(chosen)
    _, values = checkpoint.load(chosen, ())
    config = yamltext.read(run / "config.yaml").values
    components: Mapping[str, str] = told.get("components", {})
    spec, step = trained.spec, int(values["step"])
    return About(
        ganreg=__version__,
        torch=torch.__version__,
        generator=part_of(config["generator"]),
        spec=Spec(shape=spec.shape, num_classes=spec.num_classes, value_range=spec.value_range),
        latent_dim=int(trained.generator.latent_dim),  # type: ignore[arg-type]
        label_shares=values.get("label_shares") or None,
        class_names=list(trained.labels.names),
        weights="averaged" if "ema.safetensors" in told["files"] else "last",
        step=step,
        images=int(values["images"]),
        training={key: reduced(config[key]) for key in TOLD if config.get(key) not in (None, [], {})},
        plugins=sorted({origin for origin in components.values() if _is_distribution(origin)}),
        evaluations=evaluations(run, step),
    )


def part_of(told: Mapping[str, Any]) -> Part:
    """The generator of a configuration, with who offers it here."""
    settings = {key: value for key, value in told.items() if key != "name"}
    plugin = registries.current().part("generator", told["name"]).plugin
    if plugin.sha256:
        return Part(name=told["name"], settings=settings, plugin_file=last_name(plugin.distribution), sha256=plugin.sha256)
    return Part(name=told["name"], settings=settings, distribution=plugin.distribution, version=plugin.version)


def evaluations(run: Path, step: int) -> list[dict[str, Any]]:
    """The rows of evaluations.jsonl that measured the weights of this step, each protocol's last; none without a file."""
    path = run / "evaluations.jsonl"
    try:
        if path.stat().st_size > MOST_EVALUATIONS:
            return []
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    rows: dict[str, dict[str, Any]] = {}
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue  # the line that a dying process was writing
        if not isinstance(row, dict) or row.get("step") != step or not _is_number(row.get("value")):
            continue
        row = reduced(row)
        rows[json.dumps([row.get("metric"), row.get("extractor"), row.get("protocol")], sort_keys=True)] = row
    return list(rows.values())


def reduced(value: Any) -> Any:
    """Plain values, every path in them, and every address, as its last name."""
    if isinstance(value, Mapping):
        return {last_name(str(key)): reduced(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [reduced(one) for one in value]
    return last_name(value) if isinstance(value, str) else value


def last_name(text: str) -> str:
    """ "/home/me/photos/" -> "photos", "https://host/data.zip?token=x" -> "data.zip"; other words as they are."""
    if not re.search(r"[/\\]", text):
        return text
    plain = re.split(r"[?#]", text)[0] if "://" in text else text
    return re.split(r"[/\\]", plain.rstrip("/\\"))[-1]


def _is_distribution(origin: str) -> bool:
    """Not ganreg itself, nor the path of a single file."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]* \S+", origin) is not None and not origin.startswith("ganreg ")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
