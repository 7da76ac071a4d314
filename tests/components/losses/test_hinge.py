import pytest
import torch

from ganreg.components.losses.hinge import Hinge
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate


def test_a_logit_beyond_its_margin_costs_nothing():
    assert Hinge().discriminator(torch.tensor([1.5]), torch.tensor([-1.5])).item() == 0.0


def test_a_logit_within_its_margin_costs_what_it_lacks():
    real, fake = torch.tensor([0.25, 3.0]), torch.tensor([[0.5], [-1.0], [-4.0]])

    assert Hinge().discriminator(real, fake).item() == pytest.approx(0.75 / 2 + 1.5 / 3)
    assert Hinge(margin=4.0).discriminator(real, fake).item() == pytest.approx((3.75 + 1.0) / 2 + (4.5 + 3.0 + 0.0) / 3)


def test_the_generator_pays_the_negative_mean_logit():
    assert Hinge().generator(torch.tensor([[2.0, -5.0]])).item() == 1.5


def test_only_logits_within_the_margin_are_pulled_and_all_alike():
    real = torch.tensor([0.5, 1.5, -2.0], requires_grad=True)
    fake = torch.tensor([[-0.5, -1.5], [2.0, 0.0]], requires_grad=True)
    on_real, on_fake = torch.autograd.grad(Hinge().discriminator(real, fake), (real, fake))
    (for_generator,) = torch.autograd.grad(Hinge().generator(fake), fake)

    torch.testing.assert_close(on_real * 3, torch.tensor([-1.0, 0.0, -1.0]))
    torch.testing.assert_close(on_fake * 4, torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    torch.testing.assert_close(for_generator * 4, -torch.ones(2, 2))


@pytest.mark.parametrize("margin", [1.0, 0.25, 3.0])
def test_at_equilibrium_every_common_logit_within_the_margin_costs_two_margins(margin):
    loss = Hinge(margin=margin)
    costs = [loss.discriminator(t, t).item() for t in torch.linspace(-margin, margin, 9)]

    assert loss.equilibrium == (2 * margin, 0.0)
    assert costs == pytest.approx([loss.equilibrium[0]] * 9)
    assert loss.discriminator(*[torch.tensor(1.5 * margin)] * 2).item() == pytest.approx(2.5 * margin)


def test_a_margin_of_zero_is_refused():
    with pytest.raises(SettingsError, match="margin must be greater than 0, got 0"):
        validate(model_of(Hinge), {"margin": 0}, owner="loss 'hinge'")
