"""Latents that were not just drawn: of several seeds, on a closed path, in a grid; and what a generator makes of them.

A path between Gaussian latents is taken on the sphere: in high dimension they all lie near one, which a straight line leaves.

    slerp(a, b, t) = sin((1 - t) θ) / sin θ · a + sin(t θ) / sin θ · b        θ the angle between a and b

White, "Sampling Generative Networks", 2016.  https://arxiv.org/abs/1609.04468
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganreg.engine.networks import Player
from ganreg.engine.sampling import BATCH, Labels

PARALLEL = 1e-4
"""The sine of an angle below which a straight line is taken."""


def drawn(dim: int, count: int, *, labels: Labels, seed: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """The latents [count, dim] and labels [count] that `sampling.sample` draws from this seed."""
    rng = torch.Generator(device).manual_seed(seed)
    z, chosen = [], []
    for _ in range(0, count, BATCH):
        z.append(torch.randn(BATCH, dim, generator=rng, device=device))
        chosen.append(labels.draw(BATCH, rng))
    known = [one for one in chosen if one is not None]
    return torch.cat(z)[:count], torch.cat(known)[:count] if known else None


def of_seeds(dim: int, seeds: Sequence[int], *, labels: Labels, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """The first latents and label of each seed: [len(seeds), dim] and [len(seeds)]."""
    each = [drawn(dim, 1, labels=labels, seed=seed, device=device) for seed in seeds]
    known = [one for _, one in each if one is not None]
    return torch.cat([z for z, _ in each]), torch.cat(known) if known else None


def closed_path(points: Tensor, frames: int) -> Tensor:
    """Latents [N, dim] -> [N frames, dim]: on the sphere from each to the next, from the last to the first, `frames` a leg."""
    steps = torch.arange(frames, device=points.device, dtype=points.dtype) / frames
    return torch.cat([slerp(a, b, steps) for a, b in zip(points, points.roll(-1, 0), strict=True)])


def slerp(a: Tensor, b: Tensor, steps: Tensor) -> Tensor:
    """From a [dim] (step 0) to b [dim] (step 1) on the sphere: steps [T] -> [T, dim]; lengths change evenly."""
    t = steps[:, None]
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=0).clamp(-1.0, 1.0)
    angle = torch.acos(cosine)
    if float(angle.sin()) < PARALLEL:
        straight: Tensor = torch.lerp(a, b, t)
        return straight
    unit = ((1 - t) * angle).sin() / angle.sin() * (a / a.norm()) + (t * angle).sin() / angle.sin() * (b / b.norm())
    path: Tensor = unit * torch.lerp(a.norm(), b.norm(), t)
    return path


def truncates(network: nn.Module) -> bool:
    """Whether it has styles that can be drawn towards their mean."""
    return all(hasattr(network, name) for name in ("mapping", "synthesis", "w_avg"))


@torch.no_grad()
def made_of(
    network: nn.Module, latents: Tensor, chosen: Tensor | None, *, num_classes: int, truncation: float | None = None
) -> Tensor:
    """Latents [N, dim] and labels [N] or None -> samples [N, *shape], in whole batches; the network stays in its mode.

    With `truncation`, styles are w_avg + truncation (w - w_avg); see `truncates`.
    """
    player = Player(network, role="generator", num_classes=num_classes)
    make: Callable[..., Any] = player if truncation is None else lambda z, labels: _truncated(network, z, labels, truncation)
    was_training = network.training
    network.eval()
    made = []
    for first in range(0, len(latents), BATCH):
        z = latents[first : first + BATCH]
        labels = chosen[first : first + BATCH] if chosen is not None else None
        short = BATCH - len(z)  # whole batches, as when they are drawn
        z = torch.cat([z, z[:1].expand(short, -1)])
        labels = torch.cat([labels, labels[:1].expand(short)]) if labels is not None else None
        made.append(make(z, labels)[: BATCH - short])
    network.train(was_training)
    return torch.cat(made)


def _truncated(network: Any, z: Tensor, labels: Tensor | None, psi: float) -> Tensor:
    w: Tensor = network.mapping(z, labels)
    images: Tensor = network.synthesis(torch.lerp(network.w_avg.to(w.dtype), w, psi))
    return images
