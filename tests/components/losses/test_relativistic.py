import math

import pytest
import torch
from torch.nn import functional as F

from ganreg.components.losses.relativistic import Relativistic
from ganreg.engine import value_and_grad

LN2 = math.log(2.0)
REAL = torch.tensor([-3.0, -0.5, 0.0, 2.0], dtype=torch.float64)
FAKE = torch.tensor([4.0, -1.0, 0.25, 2.0], dtype=torch.float64)


def test_pairs_that_cannot_be_told_apart_cost_ln_2_wherever_they_lie():
    logits = torch.tensor([-5.0, 0.0, 7.0])

    assert Relativistic().discriminator(logits, logits).item() == pytest.approx(LN2)
    assert Relativistic().generator(logits, logits).item() == pytest.approx(LN2)
    assert Relativistic().equilibrium == pytest.approx((LN2, LN2))


def test_a_difference_of_ln_3_is_a_probability_of_three_quarters():
    real, fake = torch.tensor([math.log(3.0) + 2.0]), torch.tensor([2.0])

    assert Relativistic().discriminator(real, fake).item() == pytest.approx(math.log(4 / 3))
    assert Relativistic().generator(fake, real).item() == pytest.approx(math.log(4))


def test_each_real_is_paired_with_the_fake_of_its_place():
    real, fake = torch.tensor([0.0, 9.0]), torch.tensor([0.0, 9.0])

    assert Relativistic().discriminator(real, fake).item() == pytest.approx(LN2)
    assert Relativistic().discriminator(real, fake.flip(0)).item() == pytest.approx(4.5, abs=1e-3)  # (9 + 0) / 2


def test_it_is_torchs_softplus_of_the_differences():
    torch.testing.assert_close(Relativistic().discriminator(REAL, FAKE), F.softplus(FAKE - REAL).mean())
    torch.testing.assert_close(Relativistic().generator(FAKE, REAL), F.softplus(REAL - FAKE).mean())


def test_each_logit_is_pulled_by_the_probability_that_its_pair_is_the_wrong_way_round():
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    wrong = (FAKE - REAL).sigmoid() / 4

    of_d = torch.autograd.grad(Relativistic().discriminator(real, fake), (real, fake))
    (of_g,) = torch.autograd.grad(Relativistic().generator(fake, real), fake)

    torch.testing.assert_close(of_d, (-wrong, wrong))
    torch.testing.assert_close(of_g, wrong - 1 / 4)


@pytest.mark.parametrize("shape", [(1,), (7,), (5, 1), (2, 3, 4), (4100,)])
@pytest.mark.parametrize("scale", [8.0, torch.tensor(0.5, dtype=torch.float64)])
def test_value_and_grad_agrees_with_autograd_for_both_sides(shape, scale):
    real, fake = (3 * torch.randn(shape, dtype=torch.float64) for _ in range(2))
    a, b = real.clone().requires_grad_(), fake.clone().requires_grad_()
    of_d, of_g = Relativistic().discriminator(a, b), Relativistic().generator(b, a)

    result = value_and_grad.discriminator(Relativistic(), real, fake, scale)
    torch.testing.assert_close(result.value, of_d.detach())
    torch.testing.assert_close(result.grads, tuple(scale * grad for grad in torch.autograd.grad(of_d, (a, b))))

    result = value_and_grad.generator(Relativistic(), fake, real, scale)
    torch.testing.assert_close(result.value, of_g.detach())
    torch.testing.assert_close(result.grads, (scale * torch.autograd.grad(of_g, b)[0],))


def test_without_a_fused_form_the_numbers_and_statistics_are_the_same():
    class Plain:
        discriminator, generator = Relativistic().discriminator, Relativistic().generator

    real, fake = REAL.float(), FAKE.float()
    ours, theirs = (value_and_grad.discriminator(one, real, fake) for one in (Relativistic(), Plain()))
    torch.testing.assert_close(ours, theirs)

    ours, theirs = (value_and_grad.generator(one, fake, real) for one in (Relativistic(), Plain()))
    torch.testing.assert_close((ours.value, ours.grads), (theirs.value, theirs.grads))


def test_its_statistics_are_those_of_the_logits_themselves():
    d_real, d_fake, real_accuracy, fake_accuracy, *_ = Relativistic().discriminator_value_and_grad(REAL, FAKE).statistics

    assert d_real.item() == pytest.approx(REAL.sigmoid().mean().item())
    assert d_fake.item() == pytest.approx(FAKE.sigmoid().mean().item())
    assert real_accuracy.item() == pytest.approx(1 / 4)
    assert fake_accuracy.item() == pytest.approx(1 / 4)


def test_sixteen_bit_logits_are_subtracted_and_averaged_in_float32():
    real, fake = ((3 * torch.randn(4096, generator=torch.Generator().manual_seed(seed))).bfloat16() for seed in (0, 1))
    exact = Relativistic().discriminator(real.double(), fake.double())

    for value in (Relativistic().discriminator(real, fake), value_and_grad.discriminator(Relativistic(), real, fake).value):
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=1e-5)


def test_its_gradient_can_be_differentiated_again():
    assert torch.autograd.gradgradcheck(Relativistic().discriminator, (REAL.clone().requires_grad_(), FAKE.requires_grad_()))


def test_logits_of_unequal_shapes_are_refused_with_both():
    told = r"expected real and fake logits of one shape, got \[4\] and \[3\]"
    for ask in (Relativistic().discriminator, Relativistic().discriminator_value_and_grad):
        with pytest.raises(ValueError, match=told):
            ask(torch.zeros(4), torch.zeros(3))
    for ask in (Relativistic().generator, Relativistic().generator_value_and_grad):
        with pytest.raises(ValueError, match=told):
            ask(torch.zeros(3), torch.zeros(4))


def test_a_generators_step_without_reals_is_refused():
    assert Relativistic.needs_real_in_generator_step
    for ask in (Relativistic().generator, Relativistic().generator_value_and_grad):
        with pytest.raises(ValueError, match="expected real logits beside the fake ones, got none"):
            ask(torch.zeros(3))
