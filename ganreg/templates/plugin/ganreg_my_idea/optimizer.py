"""A `torch.optim.Optimizer`; all that it remembers is in `state`, so that a run can be resumed.

Bernstein et al., "signSGD", 2018.  https://arxiv.org/abs/1802.04434
"""

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field
from torch import nn


class Optimizer(torch.optim.Optimizer):
    """Moves each weight by the learning rate, against the sign of its mean gradient."""

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        *,
        lr: Annotated[float, Field(gt=0, description="learning rate")] = 1e-4,
        momentum: Annotated[float, Field(ge=0, lt=1, description="of the mean gradient")] = 0.9,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        """One step."""
        for group in self.param_groups:
            for weight in (one for one in group["params"] if one.grad is not None):
                mean = self.state[weight].setdefault("mean", torch.zeros_like(weight))
                mean.lerp_(weight.grad, 1.0 - group["momentum"])
                weight.sub_(group["lr"] * mean.sign())
