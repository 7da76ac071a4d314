"""Binary cross-entropy with logits: value, gradient and statistics of one or both sides of the game in one pass.

For a logit x with target y, and e = exp(-|x|), c = 1 - y where x >= 0, else y:

    loss       = |x| c + log1p(e)
    derivative = ((1 - y) - y e) / (1 + e)  where x >= 0,  else (e (1 - y) - y) / (1 + e)

The value is the mean over each side, added.  No term cancels, so that a confident, right answer keeps its small loss
and gradient; infinite logits have their limits, a nan stays a nan.  Sums are float64.

Goodfellow et al., "Generative Adversarial Nets", 2014.  https://arxiv.org/abs/1406.2661
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ganreg.contracts import STATISTICS, LossResult
from ganreg.ops import library
from ganreg.statistics import logit_statistics

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)

# --- the public face --------------------------------------------------------------------------------------------------


def bce_with_logits_pair(
    real_logits: Tensor,
    fake_logits: Tensor,
    *,
    real_target: float = 1.0,
    fake_target: float = 0.0,
    scale: float | Tensor = 1.0,
) -> LossResult:
    """The discriminator's loss: mean over the reals plus mean over the fakes.

    Logits of any shapes, of one dtype (float64, float32, bfloat16, float16) and on one device -> `LossResult` with
    `value` (0-dim, float64 for float64 logits, else float32), `grads` = (grad_real, grad_fake), contiguous, in the
    logits' shapes and dtype, and `statistics` float32 [8].  `scale`, a number or a 0-dim float32 or float64 tensor on
    the logits' device, is carried by `grads` alone.  An empty side makes `value` nan, as torch's mean.

    `value` is differentiable in the logits to any order; `grads` and `statistics` are not.  Targets outside [0, 1] are
    allowed, as in torch.

    Raises `TypeError` for integer, boolean or complex logits and for two dtypes, `ValueError` for two devices and for a
    scale that is not one number on the logits' device, `NotImplementedError` under forward-mode differentiation.
    """
    _check_logits(real_logits, "real logits")
    _check_logits(fake_logits, "fake logits")
    if real_logits.dtype != fake_logits.dtype:
        raise TypeError(
            f"expected real and fake logits of one dtype, got {_name(real_logits.dtype)} and {_name(fake_logits.dtype)}"
        )
    if real_logits.device != fake_logits.device:
        raise ValueError(f"expected real and fake logits on one device, got {real_logits.device} and {fake_logits.device}")
    number, tensor = _check_scale(scale, real_logits)
    value, grad_real, grad_fake, statistics = torch.ops.ganreg.bce_with_logits_pair(
        real_logits, fake_logits, real_target, fake_target, number, tensor
    )
    return LossResult(value, (grad_real, grad_fake), statistics)


def bce_with_logits(logits: Tensor, *, target: float, is_real: bool = False, scale: float | Tensor = 1.0) -> LossResult:
    """One side alone: the generator's loss is that of its fakes with target 1.

    Logits of any shape -> `LossResult` with `grads` = (grad,); `is_real` says which slots of the statistics are filled.
    All else as `bce_with_logits_pair`.
    """
    _check_logits(logits, "logits")
    number, tensor = _check_scale(scale, logits)
    value, grad, statistics = torch.ops.ganreg.bce_with_logits(logits, target, is_real, number, tensor)
    return LossResult(value, (grad,), statistics)


def _check_logits(logits: Tensor, what: str) -> None:
    if logits.dtype not in DTYPES:
        raise TypeError(f"expected {what} of float64, float32, bfloat16 or float16, got {_name(logits.dtype)}")
    if torch.compiler.is_compiling():
        return  # the compiler does not trace what follows
    if forward_ad.unpack_dual(logits).tangent is not None:  # type: ignore[no-untyped-call]
        raise NotImplementedError(f"the {what} carry a forward-mode tangent: this loss has reverse-mode derivatives only")


def _check_scale(scale: float | Tensor, logits: Tensor) -> tuple[float, Tensor | None]:
    if not isinstance(scale, Tensor):
        return scale, None
    if scale.dim() != 0:
        raise ValueError(f"expected scale to be a number or a 0-dim tensor, got a tensor of shape {list(scale.shape)}")
    if scale.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"expected scale of float32 or float64, got {_name(scale.dtype)}")
    if scale.device != logits.device:
        raise ValueError(f"expected scale on the logits' device {logits.device}, got {scale.device}")
    return 1.0, scale


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _wide(logits: Tensor) -> torch.dtype:
    """The dtype of the value: that of the logits, but float32 for 16-bit ones."""
    return torch.float64 if logits.dtype == torch.float64 else torch.float32


# --- the reference: defines right, and serves every device without a native kernel ------------------------------------
# In float64 throughout, rounded once.


def _pointwise(logits: Tensor, target: float) -> tuple[Tensor, Tensor]:
    """Contiguous logits of any shape -> (loss, derivative), both float64 in that shape."""
    x = logits.detach().to(torch.float64)
    y = torch.full((), target, dtype=logits.dtype, device=logits.device).to(x.dtype)
    positive = x >= 0
    e = torch.exp(-x.abs())
    c = torch.where(positive, 1 - y, y)
    linear = torch.where(c == 0, 0, x.abs() * c)  # keeps inf * 0 out
    numerator = torch.where(positive, (1 - y) - y * e, e * (1 - y) - y)
    return linear + torch.log1p(e), numerator / (1 + e)


def _side(logits: Tensor, target: float, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Contiguous logits of any shape, scale float64 [] -> (mean loss float64 [], gradient in the logits' dtype)."""
    loss, derivative = _pointwise(logits, target)
    return loss.mean(), (derivative * (scale / logits.numel())).to(logits.dtype)


def _total_scale(logits: Tensor, scale: float, scale_tensor: Tensor | None) -> Tensor:
    total = torch.full((), scale, dtype=torch.float64, device=logits.device)
    return total if scale_tensor is None else total * scale_tensor


def _reference_pair(
    real: Tensor, fake: Tensor, real_target: float, fake_target: float, scale: float, scale_tensor: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    real, fake = real.contiguous(), fake.contiguous()
    total = _total_scale(real, scale, scale_tensor)
    mean_real, grad_real = _side(real, real_target, total)
    mean_fake, grad_fake = _side(fake, fake_target, total)
    value = (mean_real + mean_fake).to(_wide(real))
    return value, grad_real, grad_fake, logit_statistics(real, fake, value)


def _reference_single(
    logits: Tensor, target: float, is_real: bool, scale: float, scale_tensor: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    logits = logits.contiguous()
    mean, grad = _side(logits, target, _total_scale(logits, scale, scale_tensor))
    value = mean.to(_wide(logits))
    return value, grad, logit_statistics(logits if is_real else None, None if is_real else logits, value)


def _reference_backward(logits: Tensor, grad_value: Tensor, target: float) -> Tensor:
    return _side(logits.contiguous(), target, grad_value.to(torch.float64))[1]


library.define(
    "bce_with_logits_pair(Tensor real, Tensor fake, float real_target, float fake_target, float scale,"
    " Tensor? scale_tensor) -> (Tensor value, Tensor grad_real, Tensor grad_fake, Tensor statistics)",
    _reference_pair,
)
library.define(
    "bce_with_logits(Tensor logits, float target, bool is_real, float scale, Tensor? scale_tensor)"
    " -> (Tensor value, Tensor grad, Tensor statistics)",
    _reference_single,
)
library.define("bce_with_logits_backward(Tensor logits, Tensor grad_value, float target) -> Tensor", _reference_backward)

# --- the shape rule ---------------------------------------------------------------------------------------------------


def _like(logits: Tensor) -> Tensor:
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _outputs(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Any logits of the call -> empty (value, statistics)."""
    return logits.new_empty((), dtype=_wide(logits)), logits.new_empty(len(STATISTICS), dtype=torch.float32)


def _fake_pair(real: Tensor, fake: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    value, statistics = _outputs(real)
    return value, _like(real), _like(fake), statistics


def _fake_single(logits: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    value, statistics = _outputs(logits)
    return value, _like(logits), statistics


def _fake_backward(logits: Tensor, *_: Any) -> Tensor:
    return _like(logits)


# --- the gradient rule ------------------------------------------------------------------------------------------------


def _remember_pair(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    real, fake, ctx.real_target, ctx.fake_target, _, _ = inputs
    ctx.save_for_backward(real, fake)
    ctx.mark_non_differentiable(*output[1:])


def _gradient_pair(ctx: Any, grad_value: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    real, fake = ctx.saved_tensors
    backward = torch.ops.ganreg.bce_with_logits_backward
    grad_real = backward(real, grad_value, ctx.real_target) if ctx.needs_input_grad[0] else None
    grad_fake = backward(fake, grad_value, ctx.fake_target) if ctx.needs_input_grad[1] else None
    return grad_real, grad_fake, None, None, None, None


def _remember_single(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    logits, ctx.target, _, _, _ = inputs
    ctx.save_for_backward(logits)
    ctx.mark_non_differentiable(*output[1:])


def _gradient_single(ctx: Any, grad_value: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    (logits,) = ctx.saved_tensors
    return torch.ops.ganreg.bce_with_logits_backward(logits, grad_value, ctx.target), None, None, None, None


def _remember_backward(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    logits, grad_value, ctx.target = inputs
    ctx.save_for_backward(logits, grad_value)


def _gradient_backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    """The derivative of grad_value / N * derivative(x): by x it is grad_value / N * sigma(x) sigma(-x), for any target.

    Built from the operator itself, whose derivative for target 0 is sigma, so that every further order is right, too.
    """
    logits, grad_value = ctx.saved_tensors
    wide = _wide(logits)
    x, upstream = logits.to(wide), upstream.to(wide)
    backward = torch.ops.ganreg.bce_with_logits_backward
    by_logits = by_value = None
    if ctx.needs_input_grad[0]:
        count = torch.full_like(grad_value, logits.numel())  # takes the operator's division by N out
        curvature = backward(x, count, 0.0) * backward(-x, count, 0.0)
        by_logits = (curvature * (upstream * (grad_value / logits.numel()))).to(logits.dtype)
    if ctx.needs_input_grad[1]:
        mean_derivative = backward(x, torch.ones_like(grad_value), ctx.target)
        by_value = (mean_derivative * upstream).sum(dtype=torch.float64).to(grad_value.dtype)
    return by_logits, by_value, None


for _name_of, _fake, _gradient, _remember in (
    ("bce_with_logits_pair", _fake_pair, _gradient_pair, _remember_pair),
    ("bce_with_logits", _fake_single, _gradient_single, _remember_single),
    ("bce_with_logits_backward", _fake_backward, _gradient_backward, _remember_backward),
):
    torch.library.register_fake(f"ganreg::{_name_of}", _fake, lib=library.OPERATORS)
    torch.library.register_autograd(f"ganreg::{_name_of}", _gradient, setup_context=_remember, lib=library.OPERATORS)
