"""Muon: a matrix of weights moves by its momentum made orthogonal, so that no direction of a layer is left behind.

    B = m B + (1 - m) g        W = W - lr 0.2 sqrt(max(rows, columns)) ortho(m B + (1 - m) g)        ortho(U S V^T) ~ U V^T

Torch's Muon takes matrices alone: a weight [out, in, kh, kw] goes in as [out, in kh kw].  Vectors go to torch's AdamW: biases,
gains, and what has a single row or column, such as D's last layer.  0.2 sqrt(...) gives both steps of one length, so that they
share a rate.  An embedding looks like any matrix and is taken for one; a transposed convolution is [in, out kh kw].
Experimental: no GAN was published with it.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.  https://kellerjordan.github.io/posts/muon/
Liu et al., "Muon is Scalable for LLM Training", 2025 (the rate).  https://arxiv.org/abs/2502.16982
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.optim.optimizer import ParamsT

from ganreg.components.optimizers.common import Decay, Rate, first_rate, is_fused, listed
from ganreg.contracts import Schedule


def muon(
    params: ParamsT,
    *,
    lr: Annotated[Rate, Field(description="learning rate")] = 2e-4,
    momentum: Annotated[Decay, Field(description="decay of the mean gradient of matrices")] = 0.95,
    weight_decay: Annotated[float, Field(ge=0, description="share of a weight taken off per step, times lr")] = 0.0,
    adam_lr: Annotated[Rate | None, Field(description="learning rate of vectors; none: lr")] = None,
    adam_betas: Annotated[tuple[Decay, Decay], Field(description="decay of the means of vectors")] = (0.5, 0.999),
) -> torch.optim.Optimizer:
    """Parameters -> Muon for matrices and AdamW for the rest, in one; scheduled rates are in their groups' `schedules`."""
    params = listed(params)
    first, second = adam_betas
    kinds = (
        {"matrices": True, **_rate(lr), "momentum": momentum, "adjust_lr_fn": "match_rms_adamw"},
        {"matrices": False, **_rate(lr if adam_lr is None else adam_lr), "betas": (float(first), float(second))},
    )
    groups = []
    for group in params if params and isinstance(params[0], dict) else [{"params": params}]:
        for kind in kinds:
            chosen = [item for item in group["params"] if _is_matrix(item) == kind["matrices"]]
            if chosen:
                fused = {} if kind["matrices"] else {"fused": is_fused(chosen)}
                groups.append({**kind, **fused, "weight_decay": weight_decay, **group, "params": chosen})
    return Muon(groups)


class Muon(torch.optim.Optimizer):
    """Torch's Muon for the groups that say `matrices`, torch's AdamW for the others; takes no `found_inf`.

    Groups and moments are this optimizer's own: the inner ones are made for each step and hold nothing.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of all weights that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            learning = [one for one in group["params"] if one.grad is not None]
            options = {key: value for key, value in group.items() if key != "params"}
            if learning and options.pop("matrices"):
                self._move_matrices(learning, options)
            elif learning:
                inner = torch.optim.AdamW([{"params": learning, **options}])
                inner.state = self.state
                inner.step()
        return loss

    def _move_matrices(self, weights: list[Tensor], options: dict[str, Any]) -> None:
        """Gradients are handed over, since a view of a weight has none, and moments are kept in the order [out, in, …]."""
        matrices = [_matrix(weight) for weight in weights]
        inner: torch.optim.Optimizer = torch.optim.Muon([{"params": matrices, **options}])
        for weight, matrix in zip(weights, matrices, strict=True):
            assert weight.grad is not None
            matrix.grad = _matrix(weight.grad)
            inner.state[matrix] = self.state[weight]
        inner.step()
        for weight, matrix in zip(weights, matrices, strict=True):
            if matrix.data_ptr() != weight.data_ptr():  # a weight in channels-last order has no such view
                weight.copy_(matrix.view(weight.shape))


def _rate(lr: float | Schedule) -> dict[str, Any]:
    """A group's options for a rate."""
    return {"lr": first_rate(lr), **({"schedules": {"lr": lr}} if isinstance(lr, Schedule) else {})}


def _matrix(weight: Tensor) -> Tensor:
    """[out, ...] -> [out, rest], a view where there is one."""
    return weight.detach().flatten(1)


def _is_matrix(item: Any) -> bool:
    """Whether a parameter, or the one of a (name, parameter) pair, has rows and columns."""
    weight: Tensor = item[1] if isinstance(item, tuple) else item
    return weight.dim() > 1 and weight.is_floating_point() and min(len(weight), weight.shape[1:].numel()) > 1
