"""Fused losses of logits: value, gradient and statistics of one or both sides of the game in one pass.

Each loss is a formula of one logit x and its target t, in csrc/pointwise.h and, for every device without a native kernel,
in ops/reference.py:

    bce            p t softplus(-x) + (1 - t) softplus(x)     t in [0, 1]; p is pos_weight
    minimax        -softplus(x)                               the zero-sum generator; t is not used
    hinge          max(0, sign(t) (t - x))                    t is the margin: +m for reals, -m for fakes
    least-squares  (x - t)² / 2
    linear         t x                                        -1 for reals, 1 for fakes: Wasserstein

`pointwise_loss_pair` judges reals and fakes (a discriminator's step), `pointwise_loss` one side (a generator's step),
`paired_loss` the differences real - fake (relativistic losses).  No term of the cross-entropy cancels, so that a confident,
right answer keeps its small loss and gradient; infinite logits have their limits, a nan stays a nan.  Sums are float64 over
fixed blocks: the bits depend neither on threads nor on layout.

Goodfellow et al., "Generative Adversarial Nets", 2014.  https://arxiv.org/abs/1406.2661
"""

from __future__ import annotations

import sys
from numbers import Real
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ganreg.contracts import LossResult
from ganreg.ops import rules
from ganreg.ops.memory import check_in_place
from ganreg.ops.reference import FORMULAS

LossName = Literal["bce", "minimax", "hinge", "least-squares", "linear"]
Reduction = Literal["mean", "sum", "none"]
Target = float | Tensor
Scale = float | Tensor

NUMBERS = (float, int, Real, torch.SymFloat, torch.SymInt)  # the usual ones first: an abstract class is slow to ask
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)

_LARGEST = {dtype: torch.finfo(max(dtype, torch.float32, key=lambda each: torch.finfo(each).bits)).max for dtype in DTYPES}
"""Scales that the gradients' arithmetic holds: float64 for float64 logits, else float32."""

_single = rules.OPERATORS.pointwise_loss.default
_single_ = rules.OPERATORS.pointwise_loss_.default
_pair = rules.OPERATORS.pointwise_loss_pair.default
_pair_ = rules.OPERATORS.pointwise_loss_pair_.default
_paired = rules.OPERATORS.paired_loss.default
_paired_ = rules.OPERATORS.paired_loss_.default


def pointwise_loss_pair(
    real_logits: Tensor,
    fake_logits: Tensor,
    *,
    loss: LossName = "bce",
    real_target: Target = 1.0,
    fake_target: Target = 0.0,
    real_weight: Tensor | None = None,
    fake_weight: Tensor | None = None,
    pos_weight: float = 1.0,
    reduction: Reduction = "mean",
    scale: Scale = 1.0,
    in_place: bool = False,
    check_target: bool = False,
) -> LossResult:
    """The discriminator's loss: mean (or sum) over the reals plus mean (or sum) over the fakes.

    Logits of any shapes, of one dtype (float64, float32, bfloat16, float16) and on one device -> `LossResult` with
    `value` (0-dim, float64 for float64 logits, else float32), `grads` = (grad_real, grad_fake), contiguous, in the
    logits' shapes and dtype, and `statistics` float32 [8].  A target is a number, or a tensor of its side's shape, dtype
    and device; so is a weight, which multiplies each loss (the mean still divides by N).  `pos_weight` weights the real
    term of "bce".  `scale`, a number or a 0-dim float32 or float64 tensor on the logits' device, is carried by `grads`
    alone, and must be one that their arithmetic holds (float64 for float64 logits, else float32; a tensor is not looked
    at).  An empty side makes the mean nan, as torch's.

    `in_place` writes the gradients over the logits and returns those; it is refused where autograd needs them, and where
    two of them, or one and another argument, lie in one range of memory: neighbouring columns, too.
    `check_target` refuses "bce" targets outside [0, 1], at the price of reading target tensors back, which compiled code
    cannot.

    `value` is differentiable in the logits to any order; `grads` and `statistics` are not.  torch.func's own reverse mode
    (grad, jacrev) is refused by torch.  Under autocast 16-bit logits are judged in float32 and the gradients are float32,
    as torch's are; not so in place, where the logits keep their dtype.

    Raises `TypeError` for a dtype or a layout that does not fit, `ValueError` for a shape, device, name, scale or memory
    that does not, `NotImplementedError` under forward-mode differentiation and when a target, weight or scale asks for a
    gradient.
    """
    _check_logits(real_logits, "real logits")
    _check_logits(fake_logits, "fake logits")
    _check_together(real_logits, fake_logits)
    if reduction == "none":
        raise ValueError("expected a reduction of mean or sum for two sides, got 'none'")
    _check_names(loss, reduction, pos_weight)
    real_target, real_targets = _target(real_target, real_logits, "real_target", loss, check_target)
    fake_target, fake_targets = _target(fake_target, fake_logits, "fake_target", loss, check_target)
    _check_like(real_weight, real_logits, "real_weight")
    _check_like(fake_weight, fake_logits, "fake_weight")
    number, tensor = _check_scale(scale, real_logits)
    rest: tuple[Any, ...] = (loss, real_target, fake_target, number, tensor, reduction)
    if real_targets is not None or fake_targets is not None or real_weight is not None or fake_weight is not None:
        rest = (*rest, pos_weight, real_targets, real_weight, fake_targets, fake_weight)
    elif pos_weight != 1.0:
        rest = (*rest, pos_weight)
    if in_place:
        return _in_place(_pair_, (real_logits, fake_logits), rest)
    value, grad_real, grad_fake, statistics = _call(_pair, (real_logits, fake_logits), rest)
    return LossResult(value, (grad_real, grad_fake), statistics)


def pointwise_loss(
    logits: Tensor,
    *,
    target: Target,
    loss: LossName = "bce",
    is_real: bool = False,
    weight: Tensor | None = None,
    pos_weight: float = 1.0,
    reduction: Reduction = "mean",
    scale: Scale = 1.0,
    in_place: bool = False,
    check_target: bool = False,
) -> LossResult:
    """One side alone: the generator's loss is that of its fakes with target 1.

    Logits of any shape -> `LossResult` with `grads` = (grad,); `is_real` says which slots of the statistics are filled.
    With `reduction="none"` the value has the logits' shape and dtype, and the gradient is that of each loss by its logit.
    All else as `pointwise_loss_pair`.
    """
    _check_logits(logits, "logits")
    _check_names(loss, reduction, pos_weight)
    target, targets = _target(target, logits, "target", loss, check_target)
    _check_like(weight, logits, "weight")
    number, tensor = _check_scale(scale, logits)
    if not isinstance(is_real, bool):
        raise TypeError(f"expected is_real to be True or False, got {_kind(is_real)}")
    rest: tuple[Any, ...] = (loss, target, is_real, number, tensor, reduction)
    if targets is not None or weight is not None or pos_weight != 1.0:
        rest = (*rest, pos_weight, targets, weight)
    if in_place:
        return _in_place(_single_, (logits,), rest)
    value, grad, statistics = _call(_single, (logits,), rest)
    return LossResult(value, (grad,), statistics)


def paired_loss(
    real_logits: Tensor,
    fake_logits: Tensor,
    *,
    loss: LossName = "bce",
    target: float = 1.0,
    reduction: Reduction = "mean",
    scale: Scale = 1.0,
    in_place: bool = False,
) -> LossResult:
    """A loss of the differences real - fake, pair by pair: with "bce", the relativistic softplus(-(real - fake)).

    Logits of one shape, dtype and device -> `LossResult` with `grads` = (grad_real, grad_fake), one minus the other.
    Target 1 is the discriminator's loss, 0 the generator's, softplus(real - fake).  16-bit logits are subtracted in
    float32.  All else as `pointwise_loss_pair`.

    Jolicoeur-Martineau, "The relativistic discriminator", 2018.  https://arxiv.org/abs/1807.00734
    """
    _check_logits(real_logits, "real logits")
    _check_logits(fake_logits, "fake logits")
    _check_together(real_logits, fake_logits)
    if real_logits.shape != fake_logits.shape:
        raise ValueError(
            f"expected real and fake logits of one shape, got {list(real_logits.shape)} and {list(fake_logits.shape)}"
        )
    _check_number(target, "target")
    _check_names(loss, reduction, 1.0)
    number, tensor = _check_scale(scale, real_logits)
    rest = (loss, target, number, tensor, reduction)
    if in_place:
        return _in_place(_paired_, (real_logits, fake_logits), rest)
    value, grad_real, grad_fake, statistics = _call(_paired, (real_logits, fake_logits), rest)
    return LossResult(value, (grad_real, grad_fake), statistics)


# --- calling ----------------------------------------------------------------------------------------------------------


def _call(operator: Any, logits: tuple[Tensor, ...], rest: tuple[Any, ...]) -> Any:
    if _asks_for_gradients(logits) or _traced():
        return operator(*logits, *rest)
    with torch._C._AutoDispatchBelowAutograd():  # nothing to differentiate: half the time of a small call is autograd's
        return operator(*logits, *rest)


def _in_place(operator: Any, logits: tuple[Tensor, ...], rest: tuple[Any, ...]) -> LossResult:
    if torch.compiler.is_compiling() and not _asks_for_gradients(logits):
        return _compiled_in_place(operator, logits, rest)
    if _asks_for_gradients(logits) or _traced():  # refused, both
        value, statistics = operator(*logits, *rest)
        return LossResult(value, logits, statistics)
    check_in_place(logits, rest)
    with torch._C._AutoDispatchBelowADInplaceOrView():
        value, statistics = operator(*logits, *rest)
    torch.autograd.graph.increment_version(logits)
    return LossResult(value, logits, statistics)


def _compiled_in_place(operator: Any, logits: tuple[Tensor, ...], rest: tuple[Any, ...]) -> LossResult:
    """The same as out of place and copies: Inductor mistakes two mutated views of one storage (torch 2.13)."""
    rules.OPERATORS._check_in_place(list(logits), [one for one in rest if isinstance(one, Tensor)])
    value, *grads, statistics = {_single_: _single, _pair_: _pair, _paired_: _paired}[operator](*logits, *rest)
    for one, grad in zip(logits, grads, strict=True):
        one.copy_(grad)
    return LossResult(value, logits, statistics)


def _asks_for_gradients(logits: tuple[Tensor, ...]) -> bool:
    return torch.is_grad_enabled() and (logits[0].requires_grad or logits[-1].requires_grad)


def _traced() -> bool:
    """Whether a compiler or a function transform looks at the call."""
    return torch.compiler.is_compiling() or torch._C._functorch.peek_interpreter_stack() is not None


def checked(logits: tuple[Tensor, ...], scale: Scale, *numbers: float) -> tuple[float, Tensor | None]:
    """Look at a plugin's arguments as at our own -> the scale as the operators take it.  Raises as `pointwise_loss`."""
    for one in logits:
        _check_logits(one, "logits")
    _check_together(logits[0], logits[-1])
    for number in numbers:
        _check_number(number, "a target or the parameter")
        if number != number:
            raise ValueError("expected a target and a parameter that are numbers, got nan")
    return _check_scale(scale, logits[0])


# --- checks -----------------------------------------------------------------------------------------------------------


def _check_logits(logits: Tensor, what: str) -> None:
    _check_tensor(logits, what)
    if logits.dtype not in DTYPES:
        raise TypeError(f"expected {what} of float64, float32, bfloat16 or float16, got {_name(logits.dtype)}")
    _check_strided(logits, what)
    _check_no_tangent(logits, f"the {what} carry")


def _check_tensor(tensor: object, what: str) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"expected {what} to be a tensor, got {type(tensor).__name__}")


def _check_strided(tensor: Tensor, what: str) -> None:
    if tensor.layout is not torch.strided or tensor.is_nested:
        raise TypeError(f"expected strided {what}, got {'nested' if tensor.is_nested else _name(tensor.layout)}")


def _check_no_tangent(tensor: Tensor, what: str) -> None:
    if torch.compiler.is_compiling() or forward_ad._current_level < 0:
        return
    if forward_ad.unpack_dual(tensor).tangent is not None:  # type: ignore[no-untyped-call]
        raise NotImplementedError(f"{what} a forward-mode tangent: this loss has reverse-mode derivatives only")


def _check_together(real: Tensor, fake: Tensor) -> None:
    if real.dtype != fake.dtype:
        raise TypeError(f"expected real and fake logits of one dtype, got {_name(real.dtype)} and {_name(fake.dtype)}")
    if real.device != fake.device:
        raise ValueError(f"expected real and fake logits on one device, got {real.device} and {fake.device}")


def _check_names(loss: str, reduction: str, pos_weight: float) -> None:
    _check_number(pos_weight, "pos_weight")
    if not isinstance(loss, str) or loss not in FORMULAS:
        raise ValueError(f"expected a fused loss of {', '.join(FORMULAS)}, got '{loss}'")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"expected a reduction of mean, sum or none, got '{reduction}'")
    if pos_weight != 1.0 and loss != "bce":
        raise ValueError(f"expected a pos_weight of 1 for the loss '{loss}', which has no positive term, got {pos_weight}")


def _check_number(number: object, what: str) -> None:
    if not _is_number(number):  # a tensor, too: the operator would read it and drop its gradient
        raise TypeError(f"expected {what} to be a number, got {_kind(number)}")
    _check_size(number, what)


def _check_size(number: Any, what: str) -> None:
    if isinstance(number, int) and abs(number) > sys.float_info.max:
        raise ValueError(f"expected {what} within ±{sys.float_info.max:.1e}, got an integer of {number.bit_length()} bits")


def _target(target: Target, logits: Tensor, what: str, loss: str, check: bool) -> tuple[float, Tensor | None]:
    """A target as the operator takes it: a number, or a tensor beside it."""
    if not isinstance(target, Tensor):
        if not _is_number(target):
            raise TypeError(f"expected {what} to be a number or a tensor, got {_kind(target)}")
        _check_size(target, what)
        if check and loss == "bce" and not 0.0 <= target <= 1.0:
            raise ValueError(f"expected {what} in [0, 1], got {target}")
        return target, None
    _check_like(target, logits, what)
    if check and torch.compiler.is_compiling():
        raise NotImplementedError("check_target reads the target back, which compiled code cannot")
    if check and loss == "bce" and not bool(((target >= 0) & (target <= 1)).all()):
        raise ValueError(f"expected {what} in [0, 1], got numbers from {target.min().item()} to {target.max().item()}")
    return 0.0, target


def _check_like(tensor: Tensor | None, logits: Tensor, what: str) -> None:
    """Targets and weights have a number for each logit; nothing is broadcast."""
    if tensor is None:
        return
    _check_tensor(tensor, what)
    if tensor.shape != logits.shape:
        raise ValueError(f"expected {what} of the logits' shape {list(logits.shape)}, got {list(tensor.shape)}")
    if tensor.dtype != logits.dtype:
        raise TypeError(f"expected {what} of the logits' dtype {_name(logits.dtype)}, got {_name(tensor.dtype)}")
    if tensor.device != logits.device:
        raise ValueError(f"expected {what} on the logits' device {logits.device}, got {tensor.device}")
    _check_strided(tensor, what)
    _check_no_tangent(tensor, f"{what} carries")
    if tensor.requires_grad and torch.is_grad_enabled():
        raise NotImplementedError(f"{what} asks for a gradient: this loss is differentiable in the logits alone; detach it")


def _check_scale(scale: Scale, logits: Tensor) -> tuple[float, Tensor | None]:
    if not isinstance(scale, Tensor):
        if not _is_number(scale):
            raise TypeError(f"expected scale to be a number or a 0-dim tensor, got {_kind(scale)}")
        if not abs(scale) <= _LARGEST[logits.dtype]:
            raise ValueError(f"expected a scale within ±{_LARGEST[logits.dtype]:.1e}, got {scale}")
        return scale, None
    if scale.dim() != 0:
        raise ValueError(f"expected scale to be a number or a 0-dim tensor, got a tensor of shape {list(scale.shape)}")
    if scale.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"expected scale of float32 or float64, got {_name(scale.dtype)}")
    _check_strided(scale, "scale")
    if scale.device != logits.device:
        raise ValueError(f"expected scale on the logits' device {logits.device}, got {scale.device}")
    _check_no_tangent(scale, "scale carries")
    if scale.requires_grad and torch.is_grad_enabled():
        raise NotImplementedError("scale asks for a gradient: this loss is differentiable in the logits alone; detach it")
    return 1.0, scale


def _is_number(value: object) -> bool:
    return isinstance(value, NUMBERS)


def _kind(value: object) -> str:
    return "a tensor" if isinstance(value, Tensor) else type(value).__name__


def _name(dtype: torch.dtype | torch.layout) -> str:
    return str(dtype).removeprefix("torch.")
