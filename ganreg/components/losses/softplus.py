"""log(1 + e^x), the function that the cross-entropy losses are made of, without a threshold.

`torch.nn.functional.softplus` becomes x itself beyond 20, which is off by 2e-9 there, and its derivative by as much: no
matter in float32, but a loss whose definition is checked in float64 must not have a step.  log sigmoid(-x) is smooth.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SIXTEEN_BITS = (torch.float16, torch.bfloat16)


def softplus(x: Tensor) -> Tensor:
    """Any shape -> the same shape; 0 at -inf, inf at inf; 16-bit numbers are widened to float32, as the kernels do."""
    return -F.logsigmoid(-(x.float() if x.dtype in SIXTEEN_BITS else x))
