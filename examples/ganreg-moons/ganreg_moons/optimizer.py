"""Lion: every weight moves by the learning rate, in the direction of the sign of its momentum.

    w = w - lr (sign(b1 m + (1 - b1) g) + decay w)        m = b2 m + (1 - b2) g

Steps are larger than Adam's, so rates are three to ten times smaller.

Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023.  https://arxiv.org/abs/2302.06675
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field

from ganreg.contracts import Schedule

Decay = Annotated[float, Field(ge=0, lt=1)]


class Lion(torch.optim.Optimizer):
    """State is one tensor a weight, its momentum `m`."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move every weight that has a gradient."""
        for group in self.param_groups:
            lr, (b1, b2), decay = group["lr"], group["betas"], group["weight_decay"]
            for weight in (one for one in group["params"] if one.grad is not None):
                m = self.state[weight].setdefault("m", torch.zeros_like(weight))
                sign = torch.lerp(weight.grad, m, b1).sign_()
                weight.mul_(1.0 - lr * decay).sub_(sign, alpha=lr)
                m.lerp_(weight.grad, 1.0 - b2)


def lion(
    params: Any,
    *,
    lr: Annotated[Annotated[float, Field(gt=0)] | Schedule, Field(description="learning rate")] = 2e-4,
    betas: Annotated[tuple[Decay, Decay], Field(description="share of momentum in the sign, and kept of it")] = (0.3, 0.99),
    weight_decay: Annotated[float, Field(ge=0, description="share of a weight taken off per step, times lr")] = 0.0,
) -> torch.optim.Optimizer:
    """Parameters -> Lion, with less momentum than the paper's (0.9, 0.99), which lets players circle.

    A scheduled `lr` is in every group's `schedules`.
    """
    first = lr.at(0) if isinstance(lr, Schedule) else lr
    optimizer = Lion(params, {"lr": first, "betas": betas, "weight_decay": weight_decay})
    if isinstance(lr, Schedule):
        for group in optimizer.param_groups:
            group["schedules"] = {"lr": lr}
    return optimizer
