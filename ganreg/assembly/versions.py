"""Who made the named parts of a configuration: written with each checkpoint, compared when a run goes on or samples."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

from ganreg import plugins as plugin_loader
from ganreg.contracts import KINDS as ALL_KINDS
from ganreg.contracts import Kind
from ganreg.engine import checkpoint
from ganreg.errors import CheckpointError, PluginError
from ganreg.registry import Registry

KINDS = {
    **{kind: kind for kind in ("dataset", "generator", "discriminator", "loss", "augmentation", "extractor")},
    **{f"{network}_optimizer": "optimizer" for network in ("generator", "discriminator")},
}
"""The kind of part that each key of a configuration names."""


def origins(config: Mapping[str, Any], registry: Registry) -> dict[str, str]:
    """ "loss.hinge" -> "ganreg 0.1.0": the distribution and version that each part came with."""
    named = [(kind, config.get(key)) for key, kind in KINDS.items()]
    named += [(kind, one) for kind in ("regularizer", "metric") for one in config.get(f"{kind}s") or ()]
    return {
        f"{kind}.{part['name']}": registry.part(cast("Any", kind), part["name"]).origin
        for kind, part in named
        if isinstance(part, Mapping) and "name" in part
    }


def made_with(run: Path) -> dict[str, str]:
    """What `origins` said when a run was saved last; nothing where no checkpoint can be read."""
    for path in reversed(checkpoint.checkpoints(run)):
        try:
            return dict(checkpoint.manifest(path).get("components", {}))
        except CheckpointError:
            continue
    return {}


def check_offered(made: Mapping[str, str], registry: Registry, kinds: Collection[str] = ALL_KINDS) -> None:
    """Whether the parts of these kinds can still be had.  Raises PluginError, with the line that installs what is missing."""
    for part, origin in made.items():
        kind, _, name = part.partition(".")
        distribution, _, version = origin.rpartition(" ")
        if kind not in kinds or not distribution or registry.has(cast("Kind", kind), name.rpartition(":")[2]):
            continue  # of a single file that was loaded as a plugin, the configuration tells
        there = [one for one in registry.plugins.plugins if one.distribution == distribution]
        broken = [one for one in there if one in registry.plugins.broken]
        if broken:
            raise plugin_loader.failure(broken[0])
        state, fix = "is not installed", f"pip install {distribution}=={version}"
        if there and there[0].status == "blocked":
            state, fix = f"is {there[0].reason}", "let it be loaded"
        elif there:
            state = f"does not offer it as {there[0].version}"
        raise PluginError(f"{kind} '{name}' came with {origin}, which {state}", at=part, fix=fix)
