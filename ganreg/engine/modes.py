"""Optimizers with two sets of weights: those they train at, and those that are meant to be used.

Schedule-free ones say so with `train()` and `eval()`, which move the parameters from one set to the other.  Training goes on
where it was, bit for bit: what `eval()` moved is put back from a copy, since moving there and back would round.

Defazio et al., "The Road Less Scheduled", 2024.  https://arxiv.org/abs/2405.15682
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.optim import Optimizer


def has_modes(optimizer: Optimizer) -> bool:
    """Whether it has weights for use that are not those it trains at."""
    return all(callable(getattr(optimizer, mode, None)) for mode in ("train", "eval"))


def to_train(optimizer: Optimizer) -> None:
    """Its weights for training, before the first step."""
    if has_modes(optimizer):
        optimizer.train()  # type: ignore[attr-defined]


def to_use(optimizer: Optimizer) -> None:
    """Its weights for use, after the last step."""
    if has_modes(optimizer):
        optimizer.eval()  # type: ignore[attr-defined]


@contextmanager
def in_use(optimizer: Optimizer) -> Iterator[None]:
    """Its weights for use while the body runs; then training goes on as if nothing had been."""
    if not has_modes(optimizer):
        yield
        return
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    trained = [weight.detach().clone() for weight in weights]
    to_use(optimizer)
    try:
        yield
    finally:
        to_train(optimizer)
        with torch.no_grad():
            for weight, kept in zip(weights, trained, strict=True):
                weight.copy_(kept)
