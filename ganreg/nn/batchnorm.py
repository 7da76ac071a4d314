"""Batch norm's running statistics for averaged weights.

The average of the weights is another network than the one whose statistics were running: they are estimated anew, as plain
means over fresh batches, before it is sampled, measured or saved.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def estimate_statistics(network: nn.Module, run_batches: Callable[[], object]) -> None:
    """Call `run_batches`, which runs the network, and leave plain means in its batch norms; nothing to do without any."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    was_training = network.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative mean
        norm.train()
    run_batches()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(was_training)
