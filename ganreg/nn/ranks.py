"""A mean over all ranks of a run, for what each of them remembers alike."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def mean_over_ranks(tensor: Tensor) -> Tensor:
    """Any shape, the same on each rank -> the mean, the same bits everywhere, without a gradient; alone the tensor itself.

    Every rank has to ask, in the same order.
    """
    own = tensor.detach()
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return own
    total = own.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()
