"""The operators' registration: schema, reference, shape rule, gradient rule, autocast rule, and what in-place means.

    pointwise_loss, pointwise_loss_, pointwise_loss_pair, pointwise_loss_pair_, paired_loss, paired_loss_
    pointwise_derivative    what their gradient rules are made of, differentiable to any order

A gradient of a value is factor f'(x), that of such a gradient upstream factor f''(x).  Gradients and statistics that come
beside a value are not differentiable, and a target or weight that asks for a gradient is refused: none is ever a wrong zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ganreg.contracts import STATISTICS
from ganreg.ops import library, reference
from ganreg.ops.memory import check_in_place
from ganreg.ops.reference import rounded, value_dtype

OPERATORS = torch.ops.ganreg

_SINGLE = (
    "str loss, float target, bool is_real, float scale, Tensor? scale_tensor=None, str reduction='mean',"
    " float pos_weight=1.0, Tensor? targets=None, Tensor? weights=None"
)
_PAIR = (
    "str loss, float real_target, float fake_target, float scale, Tensor? scale_tensor=None, str reduction='mean',"
    " float pos_weight=1.0, Tensor? real_targets=None, Tensor? real_weights=None, Tensor? fake_targets=None,"
    " Tensor? fake_weights=None"
)
POINTWISE_LOSS = f"pointwise_loss(Tensor logits, {_SINGLE}) -> (Tensor value, Tensor grad, Tensor statistics)"
POINTWISE_LOSS_PAIR = (
    f"pointwise_loss_pair(Tensor real, Tensor fake, {_PAIR})"
    " -> (Tensor value, Tensor grad_real, Tensor grad_fake, Tensor statistics)"
)
_PAIRED = "str loss, float target, float scale, Tensor? scale_tensor=None, str reduction='mean'"

# --- the in-place forms: the gradient takes the logits' place ---------------------------------------------------------


def _pointwise_loss_(logits: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    check_in_place((logits,), rest)
    value, grad, statistics = reference.pointwise_loss(logits, *rest)
    logits.copy_(grad)
    return value, statistics


def _both_in_place(form: Callable[..., tuple[Tensor, ...]]) -> Callable[..., tuple[Tensor, Tensor]]:
    def run(real: Tensor, fake: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
        check_in_place((real, fake), rest)
        value, grad_real, grad_fake, statistics = form(real, fake, *rest)
        real.copy_(grad_real)
        fake.copy_(grad_fake)
        return value, statistics

    return run


# --- the shape rule ---------------------------------------------------------------------------------------------------


def _like(logits: Tensor) -> Tensor:
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _value(logits: Tensor, reduction: str) -> Tensor:
    return _like(logits) if reduction == "none" else logits.new_empty((), dtype=value_dtype(logits))


def _statistics(logits: Tensor) -> Tensor:
    return logits.new_empty(len(STATISTICS), dtype=torch.float32)


def _reduction(rest: tuple[Any, ...], place: int) -> str:
    return rest[place] if len(rest) > place else "mean"


def _shape_single(logits: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    return _value(logits, _reduction(rest, 5)), _like(logits), _statistics(logits)


def _shape_single_(logits: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    check_in_place((logits,), rest)
    return _value(logits, _reduction(rest, 5)), _statistics(logits)


def _shape_pair(real: Tensor, fake: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _value(real, "mean"), _like(real), _like(fake), _statistics(real)


def _shape_pair_(real: Tensor, fake: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    check_in_place((real, fake), rest)
    return _value(real, "mean"), _statistics(real)


def _shape_paired(real: Tensor, fake: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _value(real, _reduction(rest, 4)), _like(real), _like(fake), _statistics(real)


def _shape_paired_(real: Tensor, fake: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    check_in_place((real, fake), rest)
    return _value(real, _reduction(rest, 4)), _statistics(real)


def _shape_derivative(logits: Tensor, *rest: Any) -> Tensor:
    return _like(logits)


# --- the gradient rule ------------------------------------------------------------------------------------------------


def _refuse_others(ctx: Any, places: tuple[int, ...]) -> None:
    """Targets, weights and scales are data: a gradient for them would be a wrong zero."""
    asked = ctx.needs_input_grad  # defaults that the caller left out are not in it
    if any(asked[place] for place in places if place < len(asked)):
        raise NotImplementedError("the fused losses are differentiable in the logits alone, not in targets, weights or scale")


def _factor(value_grad: Tensor, logits: Tensor, reduction: str) -> Tensor:
    """What the derivative is multiplied by: the value's gradient, divided by N under the mean, in the value's dtype."""
    return value_grad / logits.numel() if reduction == "mean" else value_grad


def _remember_single(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    logits, ctx.loss, ctx.target, _, _, _, ctx.reduction, ctx.pos_weight, targets, weights = inputs
    ctx.save_for_backward(logits, targets, weights)
    ctx.mark_non_differentiable(*output[1:])


def _gradient_single(ctx: Any, value_grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    _refuse_others(ctx, (5, 8, 9))
    logits, targets, weights = ctx.saved_tensors
    factor = _factor(value_grad, logits, ctx.reduction)
    grad = OPERATORS.pointwise_derivative(logits, factor, 1, ctx.loss, ctx.target, ctx.pos_weight, targets, weights)
    return grad, *[None] * 9


def _remember_pair(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    real, fake, ctx.loss, ctx.real_target, ctx.fake_target, _, _, ctx.reduction, ctx.pos_weight, *others = inputs
    ctx.save_for_backward(real, fake, *others)
    ctx.mark_non_differentiable(*output[1:])


def _gradient_pair(ctx: Any, value_grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    _refuse_others(ctx, (6, 9, 10, 11, 12))
    real, fake, real_targets, real_weights, fake_targets, fake_weights = ctx.saved_tensors

    def of(logits: Tensor, target: float, targets: Tensor | None, weights: Tensor | None) -> Tensor:
        factor = _factor(value_grad, logits, ctx.reduction)
        found: Tensor = OPERATORS.pointwise_derivative(logits, factor, 1, ctx.loss, target, ctx.pos_weight, targets, weights)
        return found

    grad_real = of(real, ctx.real_target, real_targets, real_weights) if ctx.needs_input_grad[0] else None
    grad_fake = of(fake, ctx.fake_target, fake_targets, fake_weights) if ctx.needs_input_grad[1] else None
    return grad_real, grad_fake, *[None] * 11


def _remember_paired(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    real, fake, ctx.loss, ctx.target, _, _, ctx.reduction = inputs
    ctx.save_for_backward(real, fake)
    ctx.mark_non_differentiable(*output[1:])


def _gradient_paired(ctx: Any, value_grad: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    _refuse_others(ctx, (5,))
    real, fake = ctx.saved_tensors
    wide = value_dtype(real)
    difference = real.to(wide) - fake.to(wide)  # as the kernel does: 16-bit logits are not rounded before the loss
    factor = _factor(value_grad.to(wide), difference, ctx.reduction)
    target = rounded(ctx.target, real.dtype)
    grad = OPERATORS.pointwise_derivative(difference, factor, 1, ctx.loss, target).to(real.dtype)
    return grad, -grad, *[None] * 5


def _remember_derivative(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    logits, factor, ctx.order, ctx.loss, ctx.target, ctx.pos_weight, targets, weights = inputs
    ctx.save_for_backward(logits, factor, targets, weights)


def _gradient_derivative(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    """By the logits: factor upstream times the next derivative; by the factor: upstream times this one."""
    _refuse_others(ctx, (6, 7))
    logits, factor, targets, weights = ctx.saved_tensors
    wide = value_dtype(logits)
    x, up = logits.to(wide), upstream.to(wide)
    y, w = (None if given is None else given.to(wide) for given in (targets, weights))
    target = rounded(ctx.target, logits.dtype)
    constants = (ctx.loss, target, ctx.pos_weight, y, w)
    by_logits = by_factor = None
    if ctx.needs_input_grad[0]:
        next_one = OPERATORS.pointwise_derivative(x, up * factor.to(wide), 2, *constants)
        by_logits = (next_one if ctx.order == 1 else next_one * _third_over_second(ctx.loss, x)).to(logits.dtype)
    if ctx.needs_input_grad[1]:
        products = up * OPERATORS.pointwise_derivative(x, torch.ones_like(x), ctx.order, *constants)
        by_factor = products if factor.dim() or not logits.dim() else products.sum(dtype=torch.float64)
        by_factor = by_factor.to(factor.dtype)
    return by_logits, by_factor, *[None] * 6


def _third_over_second(loss: str, x: Tensor) -> Tensor:
    """f''' / f'': 1 - 2 sigma(x) where f'' is a multiple of sigma(x) sigma(-x), and 0 where it is constant."""
    if loss not in ("bce", "minimax"):
        return torch.zeros_like(x)
    sigma = OPERATORS.pointwise_derivative(x, torch.ones_like(x), 1, "bce", 0.0)
    found: Tensor = 1 - 2 * sigma
    return found


# --- registration -----------------------------------------------------------------------------------------------------


def _functional(schema: str, compute: Any, shape: Any, remember: Any, gradient: Any) -> None:
    name = library.define(schema, compute)
    torch.library.register_fake(f"ganreg::{name}", shape, lib=library.OPERATORS)
    torch.library.register_autograd(f"ganreg::{name}", gradient, setup_context=remember, lib=library.OPERATORS)


def _in_place(schema: str, compute: Any, shape: Any, count: int) -> None:
    """`count` leading arguments are overwritten: never while autograd needs them, and their version counters tell."""
    name = library.define(schema, compute)
    torch.library.register_fake(f"ganreg::{name}", shape, lib=library.OPERATORS)

    def autograd(*args: Any) -> Any:
        if torch.is_grad_enabled() and any(logits.requires_grad for logits in args[:count]):
            raise RuntimeError(f"{name} overwrites logits that require a gradient: detach them, or use the out-of-place form")
        with torch._C._AutoDispatchBelowAutograd():
            return getattr(OPERATORS, name).default(*args)

    def bump(*args: Any) -> Any:
        with torch._C._AutoDispatchBelowADInplaceOrView():
            result = getattr(OPERATORS, name).default(*args)
        torch.autograd.graph.increment_version(args[:count])
        return result

    library.OPERATORS.impl(name, autograd, "Autograd")  # type: ignore[no-untyped-call]
    library.OPERATORS.impl(name, bump, "ADInplaceOrView")  # type: ignore[no-untyped-call]


_functional(
    POINTWISE_LOSS,
    reference.pointwise_loss,
    _shape_single,
    _remember_single,
    _gradient_single,
)
_functional(
    POINTWISE_LOSS_PAIR,
    reference.pointwise_loss_pair,
    _shape_pair,
    _remember_pair,
    _gradient_pair,
)
_functional(
    f"paired_loss(Tensor real, Tensor fake, {_PAIRED})"
    " -> (Tensor value, Tensor grad_real, Tensor grad_fake, Tensor statistics)",
    reference.paired_loss,
    _shape_paired,
    _remember_paired,
    _gradient_paired,
)
_functional(
    "pointwise_derivative(Tensor logits, Tensor factor, int order, str loss, float target, float pos_weight=1.0,"
    " Tensor? targets=None, Tensor? weights=None) -> Tensor",
    reference.pointwise_derivative,
    _shape_derivative,
    _remember_derivative,
    _gradient_derivative,
)
_in_place(
    f"pointwise_loss_(Tensor(a!) logits, {_SINGLE}) -> (Tensor value, Tensor statistics)",
    _pointwise_loss_,
    _shape_single_,
    1,
)
_in_place(
    f"pointwise_loss_pair_(Tensor(a!) real, Tensor(b!) fake, {_PAIR}) -> (Tensor value, Tensor statistics)",
    _both_in_place(reference.pointwise_loss_pair),
    _shape_pair_,
    2,
)
_in_place(
    f"paired_loss_(Tensor(a!) real, Tensor(b!) fake, {_PAIRED}) -> (Tensor value, Tensor statistics)",
    _both_in_place(reference.paired_loss),
    _shape_paired_,
    2,
)

library.OPERATORS.define(  # type: ignore[no-untyped-call]
    "_check_in_place(Tensor[] logits, Tensor[] others) -> ()", tags=torch.Tag.pt2_compliant_tag
)
for _key in ("CompositeExplicitAutograd", "Meta"):  # a compiler calls the second as it traces, with the tensors it has in mind
    library.OPERATORS.impl(  # type: ignore[no-untyped-call]
        "_check_in_place", lambda logits, others: check_in_place(tuple(logits), others), _key
    )

for _name in ("pointwise_loss", "pointwise_loss_pair", "paired_loss", "pointwise_derivative"):
    for _device in ("cpu", "cuda"):  # as torch treats its own losses: 16-bit logits are judged in float32
        torch.library.register_autocast(f"ganreg::{_name}", _device, torch.float32, lib=library.OPERATORS)
