"""DRAGAN on critics whose slope is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganreg.components.regularizers.dragan import DRAGAN
from ganreg.contracts import Schedule
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate
from tests.components.regularizers.contexts import context, linear


class Watch(nn.Module):
    """D(x) = the sum of x, and what it was shown."""

    def forward(self, x):
        self.seen = x.detach()
        return x.sum(1)


def test_a_slope_of_one_costs_nothing_and_one_of_five_sixteen_times_the_weight():
    real = torch.randn(6, 2, dtype=torch.float64)

    assert DRAGAN(weight=10.0).penalty(context(linear(0.6, 0.8), real)).item() == pytest.approx(0.0, abs=1e-12)
    assert DRAGAN(weight=10.0).penalty(context(linear(3.0, 4.0), real)).item() == pytest.approx(160.0)


def test_the_noise_lies_between_0_and_half_the_batchs_standard_deviation():
    real = torch.tensor([[-2.0], [2.0]]).repeat(500, 50)  # its standard deviation is 2
    watch = Watch()
    DRAGAN().penalty(context(watch, real, fake=1000 * torch.ones_like(real)))

    noise = watch.seen - real
    assert 0.0 <= noise.min() < 0.01
    assert 0.99 < noise.max() <= 1.0
    assert noise.mean().item() == pytest.approx(0.5, abs=0.01)
    assert noise[0].std() > 0.2  # one number for each of a sample's


def test_its_reach_is_a_setting():
    real, watch = torch.tensor([[-2.0], [2.0]]).repeat(500, 1), Watch()
    DRAGAN(reach=2.0).penalty(context(watch, real))

    assert 3.9 < (watch.seen - real).max() <= 4.0


def test_a_batch_of_one_number_has_no_noise():
    watch = Watch()
    value = DRAGAN().penalty(context(watch, torch.ones(1, 1)))

    assert torch.equal(watch.seen, torch.ones(1, 1))
    assert value.item() == 0.0


def test_the_places_come_from_the_runs_own_random_numbers():
    critic, real = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)), torch.randn(8, 2)
    torch.manual_seed(0)
    first = DRAGAN().penalty(context(critic, real))
    torch.manual_seed(1)

    assert torch.equal(first, DRAGAN().penalty(context(critic, real)))
    assert not torch.equal(first, DRAGAN().penalty(context(critic, real, rng=torch.Generator().manual_seed(5))))


def test_a_critic_without_a_slope_gets_a_finite_gradient():
    critic = nn.Linear(2, 1)
    nn.init.zeros_(critic.weight)
    value = DRAGAN().penalty(context(critic, torch.randn(4, 2)))
    value.backward()

    assert value.item() == pytest.approx(10.0)
    assert critic.weight.grad.isfinite().all()


def test_its_gradient_passes_gradcheck():
    weight, real = torch.randn(1, 3, dtype=torch.float64, requires_grad=True), torch.randn(4, 3, dtype=torch.float64)

    class Critic(nn.Module):
        def forward(self, x):
            return (x @ weight.t()).tanh()

    assert torch.autograd.gradcheck(lambda _: DRAGAN().penalty(context(Critic(), real)), (weight,))


def test_a_scheduled_weight_is_that_of_the_images_seen():
    dragan = DRAGAN(weight=Schedule(start=2.0, stop=0.0, shape="linear", over_images=100))
    real = torch.zeros(1, 2).double()

    values = [dragan.penalty(context(linear(2.0, 0.0), real, images=images)).item() for images in (0, 50, 100)]

    assert values == pytest.approx([2.0, 1.0, 0.0])


@pytest.mark.parametrize(("setting", "value"), [("weight", -1.0), ("reach", 0.0), ("interval", 0)])
def test_values_without_sense_are_refused(setting, value):
    with pytest.raises(SettingsError, match=setting):
        validate(model_of(DRAGAN), {setting: value}, owner="regularizer 'dragan'")


def test_a_discriminator_with_batch_norm_is_warned_of_once():
    penalty = DRAGAN().penalty
    mixing = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

    with pytest.warns(UserWarning, match="dragan is for a discriminator that judges each sample by itself"):
        penalty(context(mixing, torch.randn(6, 2)))
    penalty(context(mixing, torch.randn(6, 2)))
