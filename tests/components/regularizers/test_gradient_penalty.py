"""The gradient penalty on critics whose slope is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ganreg
from ganreg.errors import SettingsError
from tests.components.regularizers.contexts import context, linear


def test_a_slope_of_one_costs_nothing_and_one_of_five_sixteen_times_the_weight():
    penalty = ganreg.create("regularizer", "gradient-penalty", weight=10.0).penalty
    real = torch.randn(6, 2, dtype=torch.float64)

    assert penalty(context(linear(0.6, 0.8), real)).item() == pytest.approx(0.0, abs=1e-12)
    assert penalty(context(linear(3.0, 4.0), real)).item() == pytest.approx(160.0)


def test_it_looks_between_each_real_and_its_fake():
    seen = []

    class Watch(nn.Module):
        def forward(self, x):
            seen.append(x.detach())
            return x.sum(1)

    real, fake = torch.zeros(200, 2), torch.ones(200, 2) * torch.arange(1, 201)[:, None]
    ganreg.create("regularizer", "gradient-penalty").penalty(context(Watch(), real, fake))

    share = seen[0] / fake
    torch.testing.assert_close(share[:, 0], share[:, 1])  # one a for each pair
    assert 0.0 <= share.min() < 0.05
    assert 0.95 < share.max() <= 1.0
    assert 0.4 < share.mean() < 0.6


def test_the_places_come_from_the_runs_own_random_numbers():
    critic, real, fake = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)), torch.randn(8, 2), torch.randn(8, 2)
    penalty = ganreg.create("regularizer", "gradient-penalty").penalty
    torch.manual_seed(0)
    first = penalty(context(critic, real, fake))
    torch.manual_seed(1)

    assert torch.equal(first, penalty(context(critic, real, fake)))
    assert not torch.equal(first, penalty(context(critic, real, fake, rng=torch.Generator().manual_seed(5))))


def test_a_critic_without_a_slope_gets_a_finite_gradient():
    critic = nn.Linear(2, 1)
    nn.init.zeros_(critic.weight)

    value = ganreg.create("regularizer", "gradient-penalty").penalty(context(critic, torch.randn(4, 2)))
    value.backward()

    assert value.item() == pytest.approx(10.0)
    assert critic.weight.grad.isfinite().all()


def test_its_gradient_passes_gradcheck():
    weight = torch.randn(1, 3, dtype=torch.float64, requires_grad=True)
    real, fake = torch.randn(2, 4, 3, dtype=torch.float64)
    penalty = ganreg.create("regularizer", "gradient-penalty").penalty

    class Critic(nn.Module):
        def forward(self, x):
            return (x @ weight.t()).tanh()

    assert torch.autograd.gradcheck(lambda _: penalty(context(Critic(), real, fake)), (weight,))


@pytest.mark.parametrize(("setting", "value"), [("weight", -1.0), ("interval", 0)])
def test_values_without_sense_are_refused(setting, value):
    with pytest.raises(SettingsError, match=setting):
        ganreg.create("regularizer", "gradient-penalty", **{setting: value})


def test_a_discriminator_with_batch_norm_is_warned_of_once():
    penalty = ganreg.create("regularizer", "gradient-penalty").penalty
    mixing = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

    with pytest.warns(UserWarning, match="gradient-penalty is for a discriminator that judges each sample by itself"):
        penalty(context(mixing, torch.randn(6, 2)))
    penalty(context(mixing, torch.randn(6, 2)))
