import math

import pytest
import torch
from torch.nn import functional as F

from ganreg.components.losses.bce import BCE
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate

LN2 = math.log(2.0)
REAL = torch.tensor([-3.0, -0.5, 0.0, 2.0], dtype=torch.float64)
FAKE = torch.tensor([[4.0, -1.0], [0.25, -6.0], [0.0, 1.0]], dtype=torch.float64)


def grad_of(loss, logits):
    """The gradient times the number of logits: one logit's own."""
    return torch.autograd.grad(loss, logits)[0] * logits.numel()


def test_logits_of_zero_cost_ln_2_each():
    zeros = torch.zeros(5)

    assert BCE().discriminator(zeros, zeros).item() == pytest.approx(2 * LN2)
    assert BCE().generator(zeros).item() == pytest.approx(LN2)


def test_a_logit_of_ln_3_is_a_probability_of_three_quarters():
    logit = torch.tensor([math.log(3.0)], dtype=torch.float64)

    assert BCE().discriminator(logit, -logit).item() == pytest.approx(2 * math.log(4 / 3))
    assert BCE().generator(logit).item() == pytest.approx(math.log(4 / 3))
    assert BCE().generator(-logit).item() == pytest.approx(math.log(4))


@pytest.mark.parametrize(("real_label", "fake_label"), [(1.0, 0.0), (0.9, 0.0), (0.9, 0.1)])
def test_it_is_torchs_cross_entropy_of_the_labels(real_label, fake_label):
    loss = BCE(real_label=real_label, fake_label=fake_label)
    on_real, on_fake, for_generator = (
        F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
        for logits, label in ((REAL, real_label), (FAKE, fake_label), (FAKE, real_label))
    )

    torch.testing.assert_close(loss.discriminator(REAL, FAKE), on_real + on_fake)
    torch.testing.assert_close(loss.generator(FAKE), for_generator)


@pytest.mark.parametrize(("real_label", "fake_label"), [(1.0, 0.0), (0.9, 0.0), (0.9, 0.1)])
def test_each_logit_is_pulled_by_its_probability_minus_its_label(real_label, fake_label):
    loss = BCE(real_label=real_label, fake_label=fake_label)
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()

    torch.testing.assert_close(grad_of(loss.discriminator(real, fake), real), REAL.sigmoid() - real_label)
    torch.testing.assert_close(grad_of(loss.discriminator(real, fake), fake), FAKE.sigmoid() - fake_label)
    torch.testing.assert_close(grad_of(loss.generator(fake), fake), FAKE.sigmoid() - real_label)


def test_its_curvature_is_s_times_one_minus_s():
    fake = FAKE.clone().requires_grad_()
    (slope,) = torch.autograd.grad(BCE().generator(fake), fake, create_graph=True)

    torch.testing.assert_close(grad_of(slope.sum(), fake), FAKE.sigmoid() * (1 - FAKE.sigmoid()))


def test_a_sure_and_right_logit_costs_nothing_even_at_infinity():
    sure = torch.tensor([math.inf])

    assert BCE().discriminator(sure, -sure).item() == 0
    assert BCE().generator(-sure).item() == math.inf


def test_equilibrium_without_smoothing_is_2_ln_2_and_ln_2():
    assert BCE().equilibrium == pytest.approx((2 * LN2, LN2))


def test_equilibrium_with_a_real_label_of_0_9_is_at_a_probability_of_0_45():
    on_real = -0.9 * math.log(0.45) - 0.1 * math.log(0.55)
    on_fake = -math.log(0.55)

    assert BCE(real_label=0.9).equilibrium == pytest.approx((on_real + on_fake, on_real))


@pytest.mark.parametrize(("real_label", "fake_label"), [(1.0, 0.0), (0.9, 0.0), (0.8, 0.3)])
def test_at_equilibrium_no_other_logit_serves_the_discriminator_better(real_label, fake_label):
    loss = BCE(real_label=real_label, fake_label=fake_label)
    grid = torch.linspace(-6, 6, 12001, dtype=torch.float64)
    costs = torch.stack([loss.discriminator(logit, logit) for logit in grid])
    best = costs.argmin()

    assert (costs[best].item(), loss.generator(grid[best]).item()) == pytest.approx(loss.equilibrium, abs=1e-3)


@pytest.mark.parametrize("scale", [1.0, 0.25, torch.tensor(0.25)])
@pytest.mark.parametrize(("real_label", "fake_label"), [(1.0, 0.0), (0.9, 0.1)])
def test_the_fused_road_gives_the_numbers_of_autograd(real_label, fake_label, scale):
    loss = BCE(real_label=real_label, fake_label=fake_label)
    real, fake = REAL.float().requires_grad_(), FAKE.float().requires_grad_()
    value = loss.discriminator(real, fake)
    fused = loss.discriminator_value_and_grad(real, fake, scale)

    torch.testing.assert_close(fused.value, value.detach())
    torch.testing.assert_close(fused.grads, tuple(g * scale for g in torch.autograd.grad(value, (real, fake))))

    value = loss.generator(fake)
    fused = loss.generator_value_and_grad(fake, None, scale)

    torch.testing.assert_close(fused.value, value.detach())
    torch.testing.assert_close(fused.grads, (torch.autograd.grad(value, fake)[0] * scale,))


def test_the_fused_road_tells_d_of_x_and_of_fakes():
    d_real, d_fake, real_accuracy, fake_accuracy, *_ = BCE().discriminator_value_and_grad(REAL, FAKE, 1.0).statistics

    assert d_real.item() == pytest.approx(REAL.sigmoid().mean().item())
    assert d_fake.item() == pytest.approx(FAKE.sigmoid().mean().item())
    assert real_accuracy.item() == pytest.approx(1 / 4)
    assert fake_accuracy.item() == pytest.approx(2 / 6)


def test_the_generators_statistics_are_of_fakes_alone():
    statistics = BCE().generator_value_and_grad(FAKE, None, 1.0).statistics

    assert statistics[0].isnan()
    assert statistics[1].item() == pytest.approx(FAKE.sigmoid().mean().item())


@pytest.mark.parametrize("settings", [{"real_label": 1.5}, {"real_label": -0.1}, {"fake_label": 2}, {"fake_label": -1}])
def test_a_label_outside_0_to_1_is_refused(settings):
    with pytest.raises(SettingsError, match=r"label must be (less|greater) than or equal to [01], got"):
        validate(model_of(BCE), settings, owner="loss 'bce'")


@pytest.mark.parametrize(("real_label", "fake_label"), [(0.5, 0.5), (0.0, 1.0)])
def test_a_fake_label_that_is_not_below_the_real_one_is_refused(real_label, fake_label):
    with pytest.raises(SettingsError, match=rf"fake_label must be below real_label, got {fake_label:g} and") as caught:
        BCE(real_label=real_label, fake_label=fake_label)

    assert caught.value.code == "GR103"
