"""R1 on discriminators whose slope is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ganreg
from ganreg.contracts import DiscriminatorOutput, Schedule
from ganreg.errors import SettingsError
from tests.components.regularizers.contexts import context, linear


def test_a_linear_discriminator_costs_half_its_squared_weights():
    real = torch.randn(5, 2, dtype=torch.float64)

    value = ganreg.create("regularizer", "r1", weight=1.0).penalty(context(linear(3.0, -4.0), real))

    assert value.item() == pytest.approx(12.5)  # (9 + 16) / 2, wherever the reals are


def test_its_gradient_is_the_weight_itself():
    discriminator = linear(3.0, -4.0)

    ganreg.create("regularizer", "r1", weight=2.0).penalty(context(discriminator, torch.randn(5, 2).double())).backward()

    torch.testing.assert_close(discriminator.weight.grad, torch.tensor([[6.0, -8.0]]).double())


def test_the_slope_of_a_square_is_that_of_the_reals_alone():
    class Square(nn.Module):
        def forward(self, x):
            return x.square().sum(1)

    real = torch.tensor([[1.0, 0.0], [0.0, 3.0]])

    value = ganreg.create("regularizer", "r1", weight=1.0).penalty(context(Square(), real, fake=100 * torch.ones(2, 2)))

    assert value.item() == pytest.approx(0.5 * (4.0 + 36.0) / 2)


def test_patch_logits_enter_as_their_sum():
    one, patches = linear(1.0, 2.0), nn.Linear(2, 3).double()
    with torch.no_grad():
        patches.weight.copy_(one.weight.expand(3, 2) / 3)
    real = torch.randn(4, 2).double()
    r1 = ganreg.create("regularizer", "r1")

    torch.testing.assert_close(r1.penalty(context(patches, real)), r1.penalty(context(one, real)))


def test_augmentation_and_labels_reach_the_discriminator():
    seen = []

    def judge(samples, labels):
        seen.append(labels)
        return DiscriminatorOutput((2 * samples).sum(1))

    labels = torch.tensor([1, 0])
    value = ganreg.create("regularizer", "r1", weight=1.0).penalty(
        context(nn.Identity(), torch.zeros(2, 3), labels=labels, judge=judge)
    )

    assert value.item() == pytest.approx(0.5 * 3 * 4)
    assert seen[0] is labels


def test_a_scheduled_weight_is_that_of_the_images_seen():
    r1 = ganreg.create("regularizer", "r1", weight=Schedule(start=2.0, stop=0.0, shape="linear", over_images=100))
    real = torch.zeros(1, 2).double()

    values = [r1.penalty(context(linear(1.0, 0.0), real, images=images)).item() for images in (0, 50, 100)]

    assert values == pytest.approx([1.0, 0.5, 0.0])


def test_the_data_is_left_without_a_graph():
    real = torch.randn(3, 2)
    ganreg.create("regularizer", "r1").penalty(context(nn.Linear(2, 1), real))

    assert not real.requires_grad


@pytest.mark.parametrize(("setting", "value"), [("weight", 0.0), ("interval", 0)])
def test_values_without_sense_are_refused(setting, value):
    with pytest.raises(SettingsError, match=setting):
        ganreg.create("regularizer", "r1", **{setting: value})
