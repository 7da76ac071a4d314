"""Batch normalisation over the batches of all ranks: the statistics that one process with the whole batch would have used.

    mean = E_r[mean_r]        var = E_r[var_r + mean_r²] - mean²        over ranks r with batches of one size

The mean over ranks is differentiable, any number of times, so that penalties on a gradient work; statistics are joined in
float64, since var is a difference.

Ioffe and Szegedy, "Batch Normalization", 2015.  https://arxiv.org/abs/1502.03167
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn


class SyncBatchNorm(nn.modules.batchnorm._BatchNorm):
    """As nn.BatchNorm*d, alone or in eval mode; else with the statistics of all ranks."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected a batch [N, C, ...], got {list(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, ...] -> [N, C, ...]."""
        together = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
        if not (self.training and together):
            whole: Tensor = super().forward(input)
            return whole
        self._check_input_dim(input)
        wide = input if input.dtype.itemsize > 2 else input.float()
        dims = [0, *range(2, input.dim())]
        mean, var = wide.mean(dims).double(), wide.var(dims, correction=0).double()
        mean, square = _mean_over_ranks(torch.stack([mean, var + mean.square()])).unbind()
        var = square - mean.square()
        self._remember(mean.detach(), var.detach(), dist.get_world_size() * input.numel() // input.shape[1])
        shape = [1, -1] + [1] * (input.dim() - 2)
        normal = (wide - mean.to(wide.dtype).view(shape)) * (var + self.eps).rsqrt().to(wide.dtype).view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, var: Tensor, count: int) -> None:
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_((var * (count / max(count - 1, 1))).to(self.running_var.dtype), share)


class _MeanOverRanks(torch.autograd.Function):
    """The mean of a tensor over all ranks; its derivative is the mean of the upstream gradient over all ranks."""

    @staticmethod
    def forward(ctx: object, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total / dist.get_world_size()

    @staticmethod
    def backward(ctx: object, upstream: Tensor) -> Tensor:
        return _mean_over_ranks(upstream)


def _mean_over_ranks(tensor: Tensor) -> Tensor:
    found: Tensor = _MeanOverRanks.apply(tensor)  # type: ignore[no-untyped-call]
    return found


def synchronize(network: nn.Module) -> int:
    """Let every nn.BatchNorm*d of the network use all ranks' statistics; weights and buffers stay -> how many there were."""
    layers = [one for one in network.modules() if type(one) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)]
    for layer in layers:
        layer.alone = type(layer)  # type: ignore[assignment]
        layer.__class__ = SyncBatchNorm
    return len(layers)


def separate(network: nn.Module) -> None:
    """Take `synchronize` back."""
    for layer in network.modules():
        if type(layer) is SyncBatchNorm and hasattr(layer, "alone"):
            layer.__class__ = layer.alone  # type: ignore[assignment]
