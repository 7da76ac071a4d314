"""Small generators whose every weight counts: what starts at zero, as gains of noise do, is moved away from it."""

from __future__ import annotations

import torch
from torch import nn

import ganreg
from ganreg.contracts import DataSpec

SPEC = DataSpec((3, 16, 16), 10, (-1.0, 1.0))
LARGER = DataSpec((1, 32, 32), 10, (-1.0, 1.0))
"""From 32 pixels on, FastGAN's small maps weigh its large ones."""

NARROW: dict[str, dict[str, object]] = {
    "dcgan": {"width": 4, "latent_dim": 8},
    "mlp": {"hidden": (16,), "latent_dim": 8},
    "resnet": {"width": 2, "latent_dim": 12},
    "stylegan2": {"width": 4, "latent_dim": 8, "style_dim": 8, "mapping_layers": 1, "max_channels": 8},
    "r3gan": {"width": 16, "latent_dim": 8, "max_channels": 16, "blocks": 1},
    "fastgan": {"width": 4, "latent_dim": 8},
}
VARIANTS: dict[str, dict[str, object]] = {
    "dcgan-concat": {"conditioning": "concat"},
    "dcgan-conditional-bn": {"conditioning": "conditional-bn"},
    "mlp-concat": {"conditioning": "concat"},
    "resnet-concat": {"conditioning": "concat"},
    "resnet-conditional-bn": {"conditioning": "conditional-bn"},
    "resnet-biggan": {
        "conditioning": "conditional-bn",
        "split_latents": True,
        "spectral_norm": True,
        "attention": 8,
        "embedding_dim": 8,
        "growth": "doubling",
    },
    "stylegan2-concat": {"conditioning": "concat"},
    "stylegan2-residual": {"architecture": "residual"},
    "r3gan-concat": {"conditioning": "concat"},
}
"""Of these: every conditioning that they offer, and what changes the graph most."""


def made(case: str, *, seed: int = 0) -> tuple[nn.Module, DataSpec]:
    """A generator as if it had been trained, in eval mode; "dcgan", or a variant's name."""
    name = case.partition("-")[0]
    spec = LARGER if name == "fastgan" else SPEC
    torch.manual_seed(seed)
    network = ganreg.create("generator", name, spec=spec, **NARROW[name], **VARIANTS.get(case, {}))
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
        for _ in range(2):
            network(torch.randn(16, network.latent_dim), torch.arange(16) % 10)  # running statistics move
    return network.eval(), spec
