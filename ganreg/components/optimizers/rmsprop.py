"""RMSprop: each weight's step is its gradient over the root of its mean squared gradient, without momentum.

    v = a v + (1 - a) g²        w = w - lr g / (sqrt(v) + eps)

The optimizer of the first Wasserstein GAN, which found momentum to upset its critic; 5e-5 is that paper's rate
(https://arxiv.org/abs/1701.07875, algorithm 1).  Torch has no fused form of it.

Tieleman and Hinton, "Lecture 6.5: rmsprop", COURSERA: Neural Networks for Machine Learning, 2012.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch.optim.optimizer import ParamsT

from ganreg.components.optimizers.common import Decay, Rate, first_rate, is_capturable, listed, scheduled


def rmsprop(
    params: ParamsT,
    *,
    lr: Annotated[Rate, Field(description="learning rate")] = 5e-5,
    alpha: Annotated[Decay, Field(description="decay of the mean of the squared gradient")] = 0.99,
    eps: Annotated[float, Field(gt=0, description="added to the root, against division by 0")] = 1e-8,
    momentum: Annotated[float, Field(ge=0, lt=1, description="share of the last step that is repeated")] = 0.0,
) -> torch.optim.Optimizer:
    """Parameters -> RMSprop; a scheduled `lr` is in every group's `schedules`."""
    params = listed(params)
    optimizer = torch.optim.RMSprop(
        params, lr=first_rate(lr), alpha=alpha, eps=eps, momentum=momentum, capturable=is_capturable(params)
    )
    return scheduled(optimizer, lr)
