"""What losses must do."""

from __future__ import annotations

import torch
from torch import Tensor

from ganreg.contracts import STATISTICS, Loss, LossResult
from ganreg.engine import value_and_grad
from ganreg.testing.subject import Subject, expect, number

COUNT = 16
SCALE = 8.0


def _logits(seed: int) -> Tensor:
    return 2.0 * torch.randn(COUNT, 1, generator=torch.Generator().manual_seed(seed))


def _plain(loss: Loss, side: str, real: Tensor, fake: Tensor) -> Tensor:
    """The scalar method itself."""
    if side == "discriminator":
        return loss.discriminator(real, fake)
    return loss.generator(fake, real if getattr(loss, "needs_real_in_generator_step", False) else None)


def _with_grads(loss: Loss, side: str, real: Tensor, fake: Tensor, scale: float = 1.0) -> LossResult:
    """The engine's road."""
    if side == "discriminator":
        return value_and_grad.discriminator(loss, real, fake, scale)
    needs = getattr(loss, "needs_real_in_generator_step", False)
    return value_and_grad.generator(loss, fake, real if needs else None, scale)


SIDES = ("discriminator", "generator")


def gives_one_number(subject: Subject) -> None:
    """Both methods, for logits of any shape."""
    loss = subject.made()
    for side in SIDES:
        for shape in ((COUNT,), (COUNT, 1), (4, 1, 2, 2)):
            real, fake = (_logits(seed).view(-1)[: torch.Size(shape).numel()].view(shape) for seed in (1, 2))
            number(_plain(loss, side, real, fake), f"the {side}'s value for logits {list(shape)}")


def has_finite_gradients(subject: Subject) -> None:
    """Also where the discriminator is sure, rightly or wrongly: ±100 is common, and a loss must not end a run there."""
    loss = subject.made()
    for side in SIDES:
        for size in (0.0, 1.0, 100.0, -100.0):
            real, fake = torch.full((4, 1), size), torch.full((4, 1), -size)
            result = _with_grads(loss, side, real, fake)
            number(result.value, f"the {side}'s value at logits of {size:g} and {-size:g}")
            finite = all(bool(grad.isfinite().all()) for grad in result.grads)
            where = f"at logits of {size:g} and {-size:g}"
            expect(finite, f"the {side}'s gradient {where} is not finite: use softplus, not log of sigmoid")


def pulls_the_right_way(subject: Subject) -> None:
    """D's gradient raises reals against fakes, G's raises fakes: where a descent would go."""
    loss = subject.made()
    real, fake = torch.zeros(COUNT, 1), torch.zeros(COUNT, 1)
    grad_real, grad_fake = _with_grads(loss, "discriminator", real, fake).grads
    expect(float((grad_fake - grad_real).sum()) > 0, "descending the discriminator's value does not part reals from fakes")
    grad = _with_grads(loss, "generator", fake, real).grads[0]
    expect(float(grad.sum()) < 0, "descending the generator's value does not raise the logits of its fakes")


def has_the_gradient_of_its_value(subject: Subject) -> None:
    """`*_value_and_grad`, where there is one, says what autograd says of the scalar method; gradients alone carry `scale`."""
    loss = subject.made()
    for side in SIDES:
        real, fake = (_logits(seed).requires_grad_() for seed in (1, 2))
        value = _plain(loss, side, real, fake)
        asked = (real, fake) if side == "discriminator" else (fake,)
        wanted = torch.autograd.grad(value, asked, allow_unused=True, materialize_grads=True)
        result = _with_grads(loss, side, real.detach(), fake.detach(), SCALE)
        torch.testing.assert_close(result.value.float(), value.detach().float(), rtol=1e-5, atol=1e-6)
        for got, right in zip(result.grads, wanted, strict=False):
            torch.testing.assert_close(got, right * SCALE, rtol=1e-4, atol=1e-6)
        kept = result.statistics.shape == (len(STATISTICS),) and result.statistics.dtype == torch.float32
        expect(kept, f"statistics must be float32 [{len(STATISTICS)}], are {list(result.statistics.shape)}")


def differentiates_twice(subject: Subject) -> None:
    """The scalar methods may stand in a penalty."""
    loss = subject.made()
    for side in SIDES:
        real, fake = (_logits(seed).requires_grad_() for seed in (1, 2))
        (slope,) = torch.autograd.grad(_plain(loss, side, real, fake), fake, create_graph=True)
        if slope.requires_grad:  # a linear loss has none
            torch.autograd.backward(slope.square().sum())
            expect(bool(fake.grad is not None and fake.grad.isfinite().all()), f"the {side}'s second derivative is not finite")


def tells_its_equilibrium(subject: Subject) -> None:
    """(L_D, L_G) where D is as good as a guess, or None: what the log's distance is measured from."""
    told = getattr(subject.made(), "equilibrium", None)
    if told is not None:
        is_pair = len(told) == 2 and all(isinstance(one, int | float) for one in told)
        expect(is_pair, f"equilibrium must be two numbers, (L_D, L_G), or None; it is {told!r}")


CHECKS = (
    gives_one_number,
    has_finite_gradients,
    pulls_the_right_way,
    has_the_gradient_of_its_value,
    differentiates_twice,
    tells_its_equilibrium,
)
