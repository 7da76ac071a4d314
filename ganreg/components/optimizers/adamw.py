"""AdamW: Adam whose weight decay shrinks the weights themselves and stays out of the running means.

    w = w - lr (m̂ / (sqrt(v̂) + eps) + decay w)

The decay is 0 unless asked for, unlike torch's 0.01, which no GAN was published with; the rest is as in `adam`.

Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2017.  https://arxiv.org/abs/1711.05101
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch.optim.optimizer import ParamsT

from ganreg.components.optimizers.common import Betas, Rate, first_betas, first_rate, is_capturable, is_fused, listed, scheduled


def adamw(
    params: ParamsT,
    *,
    lr: Annotated[Rate, Field(description="learning rate")] = 2e-4,
    betas: Annotated[Betas, Field(description="decay of the gradient's and the square's means")] = (
        0.5,
        0.999,
    ),
    eps: Annotated[float, Field(gt=0, description="added to the root, against division by 0")] = 1e-8,
    weight_decay: Annotated[float, Field(ge=0, description="share of a weight taken off per step, times lr")] = 0.0,
) -> torch.optim.Optimizer:
    """Parameters -> AdamW, fused where torch has it; a scheduled `lr` or beta is in every group's `schedules`."""
    params = listed(params)
    optimizer = torch.optim.AdamW(
        params,
        lr=first_rate(lr),
        betas=first_betas(betas),
        eps=eps,
        weight_decay=weight_decay,
        fused=is_fused(params),
        capturable=is_capturable(params),
    )
    return scheduled(optimizer, lr, betas)
