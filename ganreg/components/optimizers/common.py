"""What every optimizer here does alike: take parameters as torch does, choose the fused form, carry a schedule."""

from __future__ import annotations

from collections.abc import Iterator
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
    stop = lr.start if lr.stop is None else lr.stop
    if min(lr.start, stop) < 0:
        raise ValueError(f"expected a learning rate of at least 0, got a schedule from {lr.start:g} to {stop:g}")
    return lr.at(0)


def scheduled(optimizer: torch.optim.Optimizer, lr: float | Schedule) -> torch.optim.Optimizer:
    """The optimizer; if the rate is a schedule, each group holds it as `schedules["lr"]`, for whoever counts images."""
    if isinstance(lr, Schedule):
        for group in optimizer.param_groups:
            group["schedules"] = {"lr": lr}
    return optimizer


def _tensors(params: list[Any]) -> Iterator[Tensor]:
    for item in params:
        if isinstance(item, dict):
            yield from _tensors(item["params"])
        else:
            yield item[1] if isinstance(item, tuple) else item
