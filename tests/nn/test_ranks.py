from __future__ import annotations

import pytest
import torch

from ganreg.nn.ranks import mean_over_ranks
from tests.engine.ranks import together

BOTH = """
import torch.distributed as dist
from ganreg.nn.ranks import mean_over_ranks
dist.init_process_group("gloo")
own = torch.tensor([1.0, 10.0], requires_grad=True) * (1 + 2 * RANK)
before = own.detach().clone()
mean = mean_over_ranks(own)
assert torch.equal(mean, torch.tensor([2.0, 20.0])) and not mean.requires_grad
assert torch.equal(own, before)
assert mean_over_ranks(torch.tensor(float("nan") if RANK else 1.0)).isnan()
dist.destroy_process_group()
print("ok")
"""


@pytest.mark.timeout(120)
def test_every_rank_gets_the_mean_and_keeps_its_own():
    assert [one.out for one in together(BOTH)] == ["ok\n"] * 2


def test_alone_it_is_the_tensor_without_its_graph():
    own = torch.tensor([1.0, 2.0], requires_grad=True)

    assert torch.equal(mean_over_ranks(own), own)
    assert not mean_over_ranks(own).requires_grad
