"""Who made the named parts of a configuration: written with each checkpoint, compared when a run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ganreg.registry import Registry

KINDS = {
    **{kind: kind for kind in ("dataset", "generator", "discriminator", "loss", "augmentation")},
    **{f"{network}_optimizer": "optimizer" for network in ("generator", "discriminator")},
}
"""The kind of part that each key of a configuration names."""


def origins(config: Mapping[str, Any], registry: Registry) -> dict[str, str]:
    """ "loss.hinge" -> "ganreg 0.1.0": the distribution and version that each part came with."""
    named = [(kind, config.get(key)) for key, kind in KINDS.items()]
    named += [("regularizer", one) for one in config.get("regularizers") or ()]
    return {
        f"{kind}.{part['name']}": registry.part(cast("Any", kind), part["name"]).origin
        for kind, part in named
        if isinstance(part, Mapping) and "name" in part
    }
