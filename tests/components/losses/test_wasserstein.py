import pytest
import torch

from ganreg.components.losses.wasserstein import Wasserstein


def test_it_is_the_difference_of_mean_logits():
    real, fake = torch.tensor([3.0, 1.0]), torch.tensor([[2.0], [0.0], [-5.0]])

    assert Wasserstein().discriminator(real, fake).item() == pytest.approx(-1.0 - 2.0)
    assert Wasserstein().generator(fake).item() == pytest.approx(1.0)


def test_each_logit_is_pulled_alike():
    real, fake = torch.randn(3, requires_grad=True), torch.randn(2, 2, requires_grad=True)
    on_real, on_fake = torch.autograd.grad(Wasserstein().discriminator(real, fake), (real, fake))
    (for_generator,) = torch.autograd.grad(Wasserstein().generator(fake), fake)

    torch.testing.assert_close(on_real * 3, -torch.ones(3))
    torch.testing.assert_close(on_fake * 4, torch.ones(2, 2))
    torch.testing.assert_close(for_generator * 4, -torch.ones(2, 2))


def test_a_constant_added_to_every_logit_changes_only_the_generators_value_so_there_is_no_equilibrium():
    real, fake = torch.tensor([3.0, 1.0]), torch.tensor([2.0, 0.0])

    assert Wasserstein().discriminator(real + 7, fake + 7) == Wasserstein().discriminator(real, fake)
    assert Wasserstein().generator(fake + 7) == Wasserstein().generator(fake) - 7
    assert Wasserstein().equilibrium is None
