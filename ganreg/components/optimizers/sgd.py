"""Gradient descent: w = w - lr g, the reference for tests of exactness, since its step can be checked by hand.

With a momentum m the step is b = m b + g, w = w - lr b.  Rarely the right choice for a GAN.

Robbins and Monro, "A Stochastic Approximation Method", 1951.  https://doi.org/10.1214/aoms/1177729586
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch.optim.optimizer import ParamsT

from ganreg.components.optimizers.common import Rate, first_rate, is_fused, listed, scheduled


def sgd(
    params: ParamsT,
    *,
    lr: Annotated[Rate, Field(description="learning rate")] = 0.01,
    momentum: Annotated[float, Field(ge=0, lt=1, description="share of the last step that is repeated")] = 0.0,
) -> torch.optim.Optimizer:
    """Parameters -> SGD, fused where torch has it; a scheduled `lr` is in every group's `schedules`."""
    params = listed(params)
    return scheduled(torch.optim.SGD(params, lr=first_rate(lr), momentum=momentum, fused=is_fused(params)), lr)
