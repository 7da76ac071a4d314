import pytest
import torch

from ganreg.components.losses.least_squares import LeastSquares


def test_logits_on_their_labels_cost_nothing():
    assert LeastSquares().discriminator(torch.ones(3), torch.zeros(2, 2)).item() == 0.0
    assert LeastSquares().generator(torch.ones(3)).item() == 0.0


def test_half_the_squared_distance_from_1_for_reals_and_from_0_for_fakes():
    real, fake = torch.tensor([3.0, 1.0]), torch.tensor([[2.0], [0.0], [-1.0]])

    assert LeastSquares().discriminator(real, fake).item() == pytest.approx(0.5 * 4 / 2 + 0.5 * 5 / 3)
    assert LeastSquares().generator(fake).item() == pytest.approx(0.5 * (1 + 1 + 4) / 3)


def test_each_logit_is_pulled_by_its_distance():
    real = torch.tensor([0.5, 1.5, -2.0], requires_grad=True)
    fake = torch.tensor([[-0.5, -1.5], [2.0, 0.0]], requires_grad=True)
    on_real, on_fake = torch.autograd.grad(LeastSquares().discriminator(real, fake), (real, fake))
    (for_generator,) = torch.autograd.grad(LeastSquares().generator(fake), fake)

    torch.testing.assert_close(on_real * 3, real.detach() - 1)
    torch.testing.assert_close(on_fake * 4, fake.detach())
    torch.testing.assert_close(for_generator * 4, fake.detach() - 1)


def test_equilibrium_is_at_a_logit_of_one_half():
    loss = LeastSquares()
    grid = torch.linspace(-1, 2, 301, dtype=torch.float64)
    best = min(grid, key=lambda logit: loss.discriminator(logit, logit).item())

    assert best.item() == pytest.approx(0.5)
    assert loss.equilibrium == (0.25, 0.125)
    assert (loss.discriminator(best, best).item(), loss.generator(best).item()) == pytest.approx(loss.equilibrium)
