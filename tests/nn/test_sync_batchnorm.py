from __future__ import annotations

import pytest
import torch
from torch import nn

from ganreg.nn.sync_batchnorm import SyncBatchNorm, synchronize
from tests.engine.ranks import together

BOTH = """
import torch.distributed as dist
from torch import nn
from ganreg.nn.sync_batchnorm import synchronize
dist.init_process_group("gloo")
torch.manual_seed(0)
whole = torch.randn(8, 3, 5, dtype=torch.float64)
plain, ours = nn.BatchNorm1d(3).double(), nn.BatchNorm1d(3).double()
assert synchronize(ours) == 1

def ask(layer, x, size):
    x = x.clone().requires_grad_()
    y = layer(x)
    value = (y.sin() * torch.arange(5)).sum() / size
    first, = torch.autograd.grad(value, x, create_graph=True)
    second = torch.autograd.grad(first.square().sum(), [x, layer.weight])
    return y.detach(), first.detach(), second[0], second[1]

wanted = ask(plain, whole, 2)
got = ask(ours, whole.chunk(2)[RANK], 1)
# a rank's loss is its own; ranks' gradients are averaged: twice the mean over ranks is the sum that `whole` has
for one, other in zip(got[:1], wanted[:1]):
    torch.testing.assert_close(one, other.chunk(2)[RANK])
torch.testing.assert_close(got[1] / 2, wanted[1].chunk(2)[RANK])
torch.testing.assert_close(ours.running_mean, plain.running_mean)
torch.testing.assert_close(ours.running_var, plain.running_var)
assert ours.num_batches_tracked == plain.num_batches_tracked
ours.eval(), plain.eval()
torch.testing.assert_close(ours(whole), plain(whole))
ours.train()
half = ours(whole.chunk(2)[RANK].bfloat16())
assert half.dtype == torch.bfloat16
dist.destroy_process_group()
print("ok")
"""


@pytest.mark.timeout(120)
def test_two_ranks_normalise_as_one_with_the_whole_batch():
    assert [one.out for one in together(BOTH)] == ["ok\n"] * 2


def test_alone_it_is_batch_norm():
    plain = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    ours = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(4, 2, 5, 5)

    assert synchronize(ours) == 1
    assert isinstance(ours[1], SyncBatchNorm)
    assert torch.equal(ours(x), plain(x))
    assert ours.state_dict().keys() == plain.state_dict().keys()


def test_a_batch_without_channels_is_refused():
    with pytest.raises(ValueError, match=r"expected a batch \[N, C, ...\], got \[3\]"):
        SyncBatchNorm(3)(torch.zeros(3))
