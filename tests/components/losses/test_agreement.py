"""Every registered loss: its fused form, its scalar methods under autograd, and torch's own functions give one answer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import ganreg
from ganreg.contracts import STATISTICS
from ganreg.engine import value_and_grad

LOSSES = [component.name for component in ganreg.components("loss")]
PAIRED = [name for name in LOSSES if getattr(ganreg.create("loss", name), "needs_real_in_generator_step", False)]
SHAPES = [((7,), (7,)), ((5, 1), (5, 1)), ((2, 3, 4), (2, 3, 4)), ((4100,), (33,)), ((1,), (1,))]
CASES = [(name, shapes) for name in LOSSES for shapes in SHAPES if shapes[0] == shapes[1] or name not in PAIRED]


def logits(shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return (torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3).to(dtype)


def scalar_road(loss: object, real: Tensor, fake: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    real, fake = real.clone().requires_grad_(), fake.clone().requires_grad_()
    value = loss.discriminator(real, fake)
    return value.detach(), torch.autograd.grad(value, (real, fake))


@pytest.mark.parametrize(("name", "shapes"), CASES)
def test_value_and_grad_agrees_with_autograd_for_the_discriminator(name: str, shapes: tuple[tuple[int, ...], ...]):
    loss = ganreg.create("loss", name)
    real, fake = logits(shapes[0], 0), logits(shapes[1], 1)
    value, grads = scalar_road(loss, real, fake)

    result = value_and_grad.discriminator(loss, real, fake, scale=8.0)

    torch.testing.assert_close(result.value, value)
    torch.testing.assert_close(result.grads, tuple(8.0 * grad for grad in grads))


@pytest.mark.parametrize(("name", "shapes"), CASES)
def test_value_and_grad_agrees_with_autograd_for_the_generator(name: str, shapes: tuple[tuple[int, ...], ...]):
    loss = ganreg.create("loss", name)
    real, fake = logits(shapes[0], 0), logits(shapes[1], 1).requires_grad_()
    value = loss.generator(fake, real)
    (grad,) = torch.autograd.grad(value, fake)

    result = value_and_grad.generator(loss, fake, real, scale=torch.tensor(0.5, dtype=torch.float64))

    torch.testing.assert_close(result.value, value.detach())
    torch.testing.assert_close(result.grads, (0.5 * grad,))


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_without_a_fused_form_gets_the_same_numbers_and_statistics(name: str):
    class Plain:
        discriminator = staticmethod(ganreg.create("loss", name).discriminator)
        generator = staticmethod(ganreg.create("loss", name).generator)

    loss, real, fake = ganreg.create("loss", name), logits((9,), 0, torch.float32), logits((9,), 1, torch.float32)

    ours, theirs = value_and_grad.discriminator(loss, real, fake), value_and_grad.discriminator(Plain(), real, fake)
    torch.testing.assert_close(ours, theirs)
    seen = (fake, real) if name in PAIRED else (fake,)
    torch.testing.assert_close(value_and_grad.generator(loss, *seen), value_and_grad.generator(Plain(), *seen), equal_nan=True)


WITH_TORCH = {
    "bce": (
        lambda r, f: bce(r, 1.0) + bce(f, 0.0),
        lambda f, r: bce(f, 1.0),
    ),
    "minimax": (lambda r, f: bce(r, 1.0) + bce(f, 0.0), lambda f, r: -bce(f, 0.0)),
    "hinge": (
        lambda r, f: (1 - r).clamp_min(0).mean() + (1 + f).clamp_min(0).mean(),
        lambda f, r: -f.mean(),
    ),
    "least-squares": (
        lambda r, f: 0.5 * F.mse_loss(r, torch.ones_like(r)) + 0.5 * F.mse_loss(f, torch.zeros_like(f)),
        lambda f, r: 0.5 * F.mse_loss(f, torch.ones_like(f)),
    ),
    "relativistic": (lambda r, f: bce(r - f, 1.0), lambda f, r: bce(f - r, 1.0)),
    "wasserstein": (lambda r, f: f.mean() - r.mean(), lambda f, r: -f.mean()),
}


def bce(x: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(x, torch.full_like(x, target))


@pytest.mark.parametrize("name", LOSSES)
def test_the_values_are_those_of_torchs_own_functions(name: str):
    loss, real, fake = ganreg.create("loss", name), logits((65,), 0), logits((65,), 1)
    of_d, of_g = WITH_TORCH[name]

    torch.testing.assert_close(value_and_grad.discriminator(loss, real, fake).value, of_d(real, fake))
    torch.testing.assert_close(value_and_grad.generator(loss, fake, real).value, of_g(fake, real))


@pytest.mark.parametrize("name", [name for name in LOSSES if ganreg.create("loss", name).equilibrium is not None])
def test_the_equilibrium_is_what_a_discriminator_that_cannot_tell_costs(name: str):
    loss = ganreg.create("loss", name)
    undecided = {"least-squares": 0.5}.get(name, 0.0)
    real = fake = torch.full((4,), undecided, dtype=torch.float64)

    assert value_and_grad.discriminator(loss, real, fake).value.item() == pytest.approx(loss.equilibrium[0])
    assert value_and_grad.generator(loss, fake, real).value.item() == pytest.approx(loss.equilibrium[1])


def test_the_statistics_of_a_hand_checked_pair():
    real, fake = torch.tensor([0.0, 2.0, -1.0, 3.0]), torch.tensor([-2.0, 1.0])

    statistics = value_and_grad.discriminator(ganreg.create("loss", "bce"), real, fake).statistics

    told = dict(zip(STATISTICS, statistics.tolist(), strict=True))
    assert told["real_accuracy"] == 0.5  # 2 and 3; a logit of 0 says neither
    assert told["fake_accuracy"] == 0.5
    assert told["real_sign"] == 0.25
    assert told["real_logit"] == 1.0
    assert told["fake_logit"] == -0.5
    assert told["d_real"] == pytest.approx(real.sigmoid().mean().item())
    assert told["finite"] == 1.0


@pytest.mark.parametrize("name", LOSSES)
def test_sixteen_bit_logits_are_averaged_in_float32(name: str):
    loss, real, fake = ganreg.create("loss", name), logits((4096,), 0).bfloat16(), logits((4096,), 1).bfloat16()
    exact = loss.discriminator(real.double(), fake.double())

    result = value_and_grad.discriminator(loss, real, fake)

    assert result.value.dtype == torch.float32
    torch.testing.assert_close(result.value.double(), exact, rtol=1e-5, atol=1e-5)
    assert result.grads[0].dtype == torch.bfloat16
