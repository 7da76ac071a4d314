"""The fused losses in plain torch: the definition of right, which serves every device without a native kernel.

Formulas by name, as in csrc/pointwise.h: for a logit x with target t and pos_weight p each gives the loss, its derivative
and its second derivative.  float64 throughout, rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ganreg.statistics import logit_statistics

Formula = Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor, Tensor]]


def bce(x: Tensor, y: Tensor, p: float) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy p y s(-x) + (1 - y) s(x), s = softplus, of which no term is negative: nothing cancels."""
    positive = x >= 0
    e = torch.exp(-x.abs())
    a, b = 1 - y, p * y
    c = torch.where(positive, a, b)
    linear = torch.where(c == 0, 0, x.abs() * c)  # keeps inf * 0 out
    numerator = torch.where(positive, a - b * e, a * e - b)
    return linear + (a + b) * torch.log1p(e), numerator / (1 + e), (a + b) * e / (1 + e).square()


def minimax(x: Tensor, y: Tensor, p: float) -> tuple[Tensor, Tensor, Tensor]:
    """-s(x), whatever the target."""
    loss, derivative, curvature = bce(x, torch.zeros_like(y), 1.0)
    return -loss, -derivative, -curvature


def hinge(x: Tensor, t: Tensor, p: float) -> tuple[Tensor, Tensor, Tensor]:
    """max(0, sign(t) (t - x)); the sign bit tells, since a small margin may round to a zero."""
    sign = torch.where(t.signbit(), -1.0, 1.0)
    missed = sign * (t - x)
    derivative = torch.where(missed <= 0, 0.0, torch.where(missed > 0, -sign, missed))
    return torch.where(missed <= 0, 0.0, missed), derivative, 0 * torch.exp(-x.abs())


def least_squares(x: Tensor, y: Tensor, p: float) -> tuple[Tensor, Tensor, Tensor]:
    """(x - y)² / 2."""
    distance = x - y
    return 0.5 * distance * distance, distance, torch.ones_like(x)


def linear(x: Tensor, k: Tensor, p: float) -> tuple[Tensor, Tensor, Tensor]:
    """k x."""
    return k * x, k.expand_as(x), torch.zeros_like(x)


FORMULAS: dict[str, Formula] = {
    "bce": bce,
    "minimax": minimax,
    "hinge": hinge,
    "least-squares": least_squares,
    "linear": linear,
}
"""Every fused loss.  Those of csrc/pointwise.h have the same names; a test compares the two lists."""


def value_dtype(logits: Tensor) -> torch.dtype:
    """The dtype of a mean or sum: that of the logits, but float32 for 16-bit ones."""
    return torch.float64 if logits.dtype == torch.float64 else torch.float32


def rounded(number: float, dtype: torch.dtype) -> float:
    """A target as the dtype holds it, to nearest even; without a tensor, which a compiler could not trace."""
    if dtype not in (torch.float64, torch.float32):  # torch and the kernel, too, go by way of float32
        number = rounded(number, torch.float32)
    if dtype == torch.float64 or not math.isfinite(number):
        return number
    bits = {torch.float32: 24, torch.bfloat16: 8, torch.float16: 11}[dtype]
    smallest = torch.finfo(dtype).smallest_normal * 2.0 ** (1 - bits)
    spacing = max(2.0 ** (math.frexp(number)[1] - bits), smallest)
    nearest = math.copysign(round(number / spacing) * spacing, number)
    return nearest if abs(nearest) <= torch.finfo(dtype).max else math.copysign(math.inf, number)


def elements(
    logits: Tensor,
    loss: str | Formula,
    target: float,
    pos_weight: float,
    targets: Tensor | None,
    weights: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of any shape -> loss, derivative and second derivative of each, float64, contiguous."""
    x = logits.detach().contiguous().double()
    y = x.new_full((), rounded(target, logits.dtype)) if targets is None else targets.detach().double()
    found = (FORMULAS[loss] if isinstance(loss, str) else loss)(x, y, pos_weight)
    if weights is None:
        return found
    return found[0] * weights.double(), found[1] * weights.double(), found[2] * weights.double()


class _Side:
    """One side of the game: its reduced value in float64 and its gradient in the logits' dtype."""

    def __init__(
        self, logits: Tensor, found: tuple[Tensor, Tensor, Tensor], scale: float, scale_tensor: Tensor | None, reduction: str
    ) -> None:
        loss, derivative, _ = found
        count = logits.numel() if reduction == "mean" else 1
        total = torch.full((), scale, dtype=torch.float64, device=logits.device)
        factor = (total if scale_tensor is None else total * scale_tensor) / count
        self.grad = (derivative * factor).to(logits.dtype)
        self.value = loss.mean() if reduction == "mean" else loss.sum()
        self.losses = loss.to(logits.dtype)


def pointwise_loss(
    logits: Tensor,
    loss: str | Formula,
    target: float,
    is_real: bool,
    scale: float,
    scale_tensor: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: float = 1.0,
    targets: Tensor | None = None,
    weights: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The operator's own arguments -> value, gradient, statistics."""
    logits = logits.contiguous()
    side = _Side(logits, elements(logits, loss, target, pos_weight, targets, weights), scale, scale_tensor, reduction)
    value = side.value.to(value_dtype(logits))
    statistics = logit_statistics(logits if is_real else None, None if is_real else logits, value)
    return side.losses if reduction == "none" else value, side.grad, statistics


def pointwise_loss_pair(
    real: Tensor,
    fake: Tensor,
    loss: str | Formula,
    real_target: float,
    fake_target: float,
    scale: float,
    scale_tensor: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: float = 1.0,
    real_targets: Tensor | None = None,
    real_weights: Tensor | None = None,
    fake_targets: Tensor | None = None,
    fake_weights: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The operator's own arguments -> value, both gradients, statistics."""
    real, fake = real.contiguous(), fake.contiguous()
    of_real = elements(real, loss, real_target, pos_weight, real_targets, real_weights)
    of_fake = elements(fake, loss, fake_target, pos_weight, fake_targets, fake_weights)
    reals = _Side(real, of_real, scale, scale_tensor, reduction)
    fakes = _Side(fake, of_fake, scale, scale_tensor, reduction)
    value = (reals.value + fakes.value).to(value_dtype(real))
    return value, reals.grad, fakes.grad, logit_statistics(real, fake, value)


def paired_loss(
    real: Tensor,
    fake: Tensor,
    loss: str,
    target: float,
    scale: float,
    scale_tensor: Tensor | None = None,
    reduction: str = "mean",
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The operator's own arguments -> value, both gradients, statistics; the loss is of real - fake."""
    real, fake, wide = real.contiguous(), fake.contiguous(), value_dtype(real)
    difference = real.detach().to(wide) - fake.detach().to(wide)
    found = elements(difference, loss, rounded(target, real.dtype), 1.0, None, None)
    side = _Side(difference, found, scale, scale_tensor, reduction)
    grad, value = side.grad.to(real.dtype), side.value.to(wide)
    statistics = logit_statistics(real, fake, value)
    return side.losses.to(real.dtype) if reduction == "none" else value, grad, -grad, statistics


def pointwise_derivative(
    logits: Tensor,
    factor: Tensor,
    order: int,
    loss: str,
    target: float,
    pos_weight: float = 1.0,
    targets: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """factor f'(x) (order 1) or factor f''(x) (order 2) in the logits' dtype; the factor is 0-dim or of the logits' shape."""
    derivative = elements(logits, loss, target, pos_weight, targets, weights)[order]
    return (derivative * factor.detach().double()).to(logits.dtype)
