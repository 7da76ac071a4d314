import math

import pytest
import torch

from ganreg.components.losses.bce import BCE
from ganreg.components.losses.minimax import Minimax

LN2 = math.log(2.0)
REAL = torch.tensor([-3.0, 0.0, 2.0], dtype=torch.float64)
FAKE = torch.tensor([[4.0, -1.0], [0.25, -6.0]], dtype=torch.float64)


def test_logits_of_zero_cost_ln_2_each():
    zeros = torch.zeros(5)

    assert Minimax().discriminator(zeros, zeros).item() == pytest.approx(2 * LN2)
    assert Minimax().generator(zeros).item() == pytest.approx(-LN2)


def test_the_discriminators_side_is_that_of_bce():
    torch.testing.assert_close(Minimax().discriminator(REAL, FAKE), BCE().discriminator(REAL, FAKE))


def test_the_game_is_zero_sum_on_fakes():
    never_wrong = torch.tensor(math.inf)

    torch.testing.assert_close(Minimax().discriminator(never_wrong, FAKE), -Minimax().generator(FAKE))


def test_each_logit_is_pulled_as_in_bce_and_a_rejected_fake_gives_the_generator_nothing():
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    on_real, on_fake = torch.autograd.grad(Minimax().discriminator(real, fake), (real, fake))
    (for_generator,) = torch.autograd.grad(Minimax().generator(fake), fake)

    torch.testing.assert_close(on_real * 3, REAL.sigmoid() - 1)
    torch.testing.assert_close(on_fake * 4, FAKE.sigmoid())
    torch.testing.assert_close(for_generator * 4, -FAKE.sigmoid())


def test_equilibrium_is_reached_at_logits_of_zero():
    zero = torch.zeros((), dtype=torch.float64)
    values = Minimax().discriminator(zero, zero).item(), Minimax().generator(zero).item()

    assert Minimax().equilibrium == pytest.approx((2 * LN2, -LN2))
    assert Minimax().equilibrium == pytest.approx(values)
