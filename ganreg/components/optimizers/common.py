"""What every optimizer here does alike: take parameters as torch does, choose the fused form, carry a schedule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.optim.optimizer import ParamsT

from ganreg.contracts import Schedule

Rate = Annotated[float, Field(gt=0)] | Schedule
"""A learning rate: a constant, or a schedule over images seen."""

Decay = Annotated[float, Field(ge=0, lt=1)]
"""The share of a running mean that is kept at each step."""

Betas = tuple[Decay | Schedule, Decay | Schedule]
"""The decays of Adam's two means, constant or scheduled."""

FUSED_DEVICES = frozenset({"cpu", "cuda"})
"""Where torch updates all parameters in one kernel."""


def listed(params: ParamsT) -> list[Any]:
    """Tensors, (name, tensor) pairs or groups, each perhaps from an iterator -> lists that can be read twice."""
    return [
        {**item, "params": [item["params"]] if isinstance(item["params"], Tensor) else list(item["params"])}
        if isinstance(item, dict)
        else item
        for item in params
    ]


def is_fused(params: list[Any]) -> bool:
    """Whether torch has a fused update for all of these: floating point, on the CPU or a CUDA device."""
    return all(p.is_floating_point() and p.device.type in FUSED_DEVICES for p in _tensors(params))


def is_capturable(params: list[Any]) -> bool:
    """Whether an update may be captured in a CUDA graph; torch refuses to be asked for it on a CPU."""
    return all(p.device.type == "cuda" for p in _tensors(params))


def first_rate(lr: float | Schedule) -> float:
    """The learning rate before the first image.  Raises ValueError for a schedule that goes below 0."""
    if not isinstance(lr, Schedule):
        return float(lr)
    if min(lr.start, _stop(lr)) < 0:
        raise ValueError(f"expected a learning rate of at least 0, got a schedule from {lr.start:g} to {_stop(lr):g}")
    return lr.at(0)


def first_betas(betas: Betas) -> tuple[float, float]:
    """Both decays before the first image.  Raises ValueError for a schedule that leaves 0 to 1, 1 excluded."""
    for beta in betas:
        if isinstance(beta, Schedule) and not all(0 <= end < 1 for end in (beta.start, _stop(beta))):
            raise ValueError(f"expected betas from 0 to below 1, got a schedule from {beta.start:g} to {_stop(beta):g}")
    return Together(betas).at(0)


def _stop(schedule: Schedule) -> float:
    return schedule.start if schedule.stop is None else schedule.stop


@dataclass(frozen=True, slots=True)
class Together:
    """Two decays, one of which at least moves, as one schedule of pairs."""

    betas: Betas

    def at(self, images: int) -> tuple[float, float]:
        """Both after this many images; torch refuses an int beside a float."""
        first, second = (float(beta.at(images) if isinstance(beta, Schedule) else beta) for beta in self.betas)
        return first, second


def scheduled(optimizer: torch.optim.Optimizer, lr: float | Schedule, betas: Betas | None = None) -> torch.optim.Optimizer:
    """The optimizer; what is a schedule each group holds in `schedules`, for whoever counts images."""
    moving: dict[str, Schedule | Together] = {}
    if isinstance(lr, Schedule):
        moving["lr"] = lr
    if betas is not None and any(isinstance(beta, Schedule) for beta in betas):
        moving["betas"] = Together(betas)
    if moving:
        for group in optimizer.param_groups:
            group["schedules"] = dict(moving)
    return optimizer


def _tensors(params: list[Any]) -> Iterator[Tensor]:
    for item in params:
        if isinstance(item, dict):
            yield from _tensors(item["params"])
        else:
            yield item[1] if isinstance(item, tuple) else item
