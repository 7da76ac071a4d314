"""Penalties that take optimizer steps of their own: what their network's optimizer does to stay as fast as it was.

    c = k / (k + 1)        lr c        beta^c

k steps of the loss and one of the penalty make k + 1 updates where there were k; c keeps their reach and memory.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2019, appendix B.  https://arxiv.org/abs/1912.04958
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer

from ganreg.contracts import Regularizer

KEPT = "uncorrected"
"""The attribute in which an optimizer keeps what was given."""


def own_steps(regularizers: Sequence[Regularizer], network: str) -> list[Regularizer]:
    """Those of one network that take a step of their own."""
    return [one for one in regularizers if one.network == network and getattr(one, "own_step", False)]


def correct(optimizer: Optimizer, regularizers: Sequence[Regularizer]) -> None:
    """Lower rate and betas, scheduled ones too, for these penalties' own steps."""
    if not regularizers:
        return
    given = ("lr", "betas", "schedules")
    vars(optimizer)[KEPT] = [{name: group[name] for name in given if name in group} for group in optimizer.param_groups]
    share = 1.0 / (1.0 + sum(1.0 / one.interval for one in regularizers))
    changes: dict[str, Callable[[Any], Any]] = {
        "lr": lambda lr: lr * share,
        "betas": lambda betas: tuple(beta**share for beta in betas),
    }
    for group in optimizer.param_groups:
        schedules = group.get("schedules", {})
        for name, change in changes.items():
            if name in group:
                group[name] = change(group[name])
            if name in schedules:
                group["schedules"] = {**group["schedules"], name: Corrected(schedules[name], change)}


def put_back(optimizer: Optimizer) -> None:
    """Rate and betas as they were given, when the run is over: the next one corrects them again."""
    for group, kept in zip(optimizer.param_groups, vars(optimizer).pop(KEPT, ()), strict=False):
        group.update(kept)


@dataclass(frozen=True, slots=True)
class Corrected:
    """A schedule whose values are changed on their way."""

    schedule: Any
    change: Callable[[Any], Any]

    def at(self, images: int) -> Any:
        """The value after this many images."""
        return self.change(self.schedule.at(images))
