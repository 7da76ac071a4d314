"""R2 on discriminators whose slope is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganreg.components.regularizers.r1 import R1
from ganreg.components.regularizers.r2 import R2
from ganreg.contracts import DiscriminatorOutput, Schedule
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate
from tests.components.regularizers.contexts import context, linear


class Square(nn.Module):
    def forward(self, x):
        return x.square().sum(1)


def test_a_linear_discriminator_costs_half_its_squared_weights():
    value = R2(weight=1.0).penalty(context(linear(3.0, -4.0), torch.randn(5, 2, dtype=torch.float64)))

    assert value.item() == pytest.approx(12.5)  # (9 + 16) / 2, wherever the fakes are


def test_the_slope_of_a_square_is_that_of_the_fakes_alone():
    fake = torch.tensor([[1.0, 0.0], [0.0, 3.0]])

    value = R2(weight=1.0).penalty(context(Square(), 100 * torch.ones(2, 2), fake))

    assert value.item() == pytest.approx(0.5 * (4.0 + 36.0) / 2)


def test_it_is_r1_of_the_fakes():
    critic = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    real, fake = torch.randn(2, 4, 3)

    torch.testing.assert_close(
        R2(weight=2.0).penalty(context(critic, real, fake)), R1(weight=2.0).penalty(context(critic, fake))
    )


def test_the_labels_are_those_of_the_fakes():
    seen = []

    def judge(samples, labels):
        seen.append(labels)
        return DiscriminatorOutput((2 * samples).sum(1))

    labels, fake_labels = torch.tensor([1, 0]), torch.tensor([0, 0])
    asked = context(nn.Identity(), torch.zeros(2, 3), labels=labels, fake_labels=fake_labels, judge=judge)

    assert R2(weight=1.0).penalty(asked).item() == pytest.approx(0.5 * 3 * 4)
    assert seen[0] is fake_labels


def test_nothing_of_it_reaches_the_generator():
    latents = torch.randn(3, 2, requires_grad=True)
    discriminator = nn.Linear(2, 1)

    R2().penalty(context(discriminator, torch.zeros(3, 2), latents * 2)).backward()

    assert latents.grad is None
    assert discriminator.weight.grad.any()


def test_a_scheduled_weight_is_that_of_the_images_seen():
    r2 = R2(weight=Schedule(start=2.0, stop=0.0, shape="linear", over_images=100))

    values = [
        r2.penalty(context(linear(1.0, 0.0), torch.zeros(1, 2).double(), images=images)).item() for images in (0, 50, 100)
    ]

    assert values == pytest.approx([1.0, 0.5, 0.0])


def test_it_is_applied_at_every_step_unless_asked():
    assert (R2().network, R2().interval, R2(interval=16).interval) == ("discriminator", 1, 16)


@pytest.mark.parametrize(("setting", "value"), [("weight", 0.0), ("interval", 0)])
def test_values_without_sense_are_refused(setting, value):
    with pytest.raises(SettingsError, match=setting):
        validate(model_of(R2), {setting: value}, owner="regularizer 'r2'")
