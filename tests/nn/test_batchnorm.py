from __future__ import annotations

import torch
from torch import nn

from ganreg.nn.batchnorm import estimate_statistics


def test_statistics_become_plain_means_over_the_batches():
    norm = nn.BatchNorm1d(1)
    nn.init.constant_(norm.running_mean, 100.0)  # what was running before is forgotten
    norm.num_batches_tracked.fill_(50)
    network = nn.Sequential(norm).eval()
    batches = [torch.tensor([[0.0], [2.0]]), torch.tensor([[4.0], [6.0]])]

    estimate_statistics(network, lambda: [network(batch) for batch in batches])

    assert norm.running_mean.item() == 3.0
    assert norm.running_var.item() == 2.0  # each batch's own, unbiased
    assert norm.momentum == 0.1
    assert not norm.training


def test_a_network_without_batch_norm_is_not_even_run():
    estimate_statistics(nn.Linear(1, 1), lambda: 1 / 0)
