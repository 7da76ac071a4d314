"""Adam: each weight's step is its mean gradient over the root of its mean squared gradient.

    m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g²        w = w - lr m̂ / (sqrt(v̂) + eps)

where the hats divide out the start from 0.  GANs want little momentum: the other network moves, and gradients age.
The defaults are DCGAN's (https://arxiv.org/abs/1511.06434); (0, 0.9) is common with hinge and Wasserstein losses.

Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2014.  https://arxiv.org/abs/1412.6980
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch.optim.optimizer import ParamsT

from ganreg.components.optimizers.common import Betas, Rate, first_betas, first_rate, is_capturable, is_fused, listed, scheduled


def adam(
    params: ParamsT,
    *,
    lr: Annotated[Rate, Field(description="learning rate")] = 2e-4,
    betas: Annotated[Betas, Field(description="decay of the gradient's and the square's means")] = (
        0.5,
        0.999,
    ),
    eps: Annotated[float, Field(gt=0, description="added to the root, against division by 0")] = 1e-8,
) -> torch.optim.Optimizer:
    """Parameters -> Adam, fused where torch has it; a scheduled `lr` or beta is in every group's `schedules`."""
    params = listed(params)
    optimizer = torch.optim.Adam(
        params,
        lr=first_rate(lr),
        betas=first_betas(betas),
        eps=eps,
        fused=is_fused(params),
        capturable=is_capturable(params),
    )
    return scheduled(optimizer, lr, betas)
