"""The auxiliary classifier on class logits that a reader can follow."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ganreg.components.regularizers.acgan import ACGAN
from ganreg.contracts import DiscriminatorOutput, Schedule
from ganreg.errors import ContractError, SettingsError
from ganreg.settings import model_of, validate
from tests.components.regularizers.contexts import context

THREE_QUARTERS = [[math.log(3.0), 0.0], [0.0, math.log(3.0)]]
"""Class 0 with a probability of 3/4, then class 1."""


def output(class_logits):
    if class_logits is None:
        return None
    told = torch.as_tensor(class_logits)
    return DiscriminatorOutput(torch.zeros(len(told)), class_logits=told)


def asked(real=None, fake=None, **other):
    known = {"labels": torch.tensor([0, 1]), "fake_labels": torch.tensor([1, 1])}
    return context(nn.Identity(), torch.zeros(2, 1), real_output=output(real), fake_output=output(fake), **(known | other))


def test_classes_that_cannot_be_told_cost_their_entropy_on_both_sides():
    zeros = torch.zeros(2, 4)

    assert ACGAN().penalty(asked(zeros, zeros)).item() == pytest.approx(2 * math.log(4))
    assert ACGAN(fakes=False).penalty(asked(zeros, zeros)).item() == pytest.approx(math.log(4))
    assert ACGAN().penalty(asked(None, zeros, phase="generator")).item() == pytest.approx(math.log(4))


def test_reals_are_held_against_their_labels_and_fakes_against_theirs():
    on_real, on_fake = math.log(4 / 3), (math.log(4) + math.log(4 / 3)) / 2  # labels 0, 1 and 1, 1

    value = ACGAN(weight=2.0).penalty(asked(THREE_QUARTERS, THREE_QUARTERS))

    assert value.item() == pytest.approx(2 * (on_real + on_fake))
    assert ACGAN(fakes=False).penalty(asked(THREE_QUARTERS, THREE_QUARTERS)).item() == pytest.approx(on_real)
    for fakes in (True, False):
        told = ACGAN(fakes=fakes).penalty(asked(THREE_QUARTERS, THREE_QUARTERS, phase="generator"))
        assert told.item() == pytest.approx(on_fake)


def test_a_class_logit_is_pulled_by_its_probability_minus_its_label():
    fake = torch.zeros(2, 2, requires_grad=True)
    ACGAN().penalty(asked(None, fake, phase="generator")).backward()

    torch.testing.assert_close(fake.grad, torch.tensor([[0.25, -0.25], [0.25, -0.25]]))


def test_without_fakes_the_discriminators_step_does_not_look_at_them():
    real = torch.zeros(2, 2, requires_grad=True)
    ACGAN(fakes=False).penalty(asked(real, None)).backward()

    assert real.grad.any()


def test_a_scheduled_weight_is_that_of_the_images_seen():
    one = ACGAN(weight=Schedule(start=2.0, stop=0.0, shape="linear", over_images=100))
    zeros = torch.zeros(2, 2)

    values = [one.penalty(asked(None, zeros, phase="generator", images=images)).item() for images in (0, 50, 100)]

    assert values == pytest.approx([2 * math.log(2), math.log(2), 0.0])


def test_it_shares_the_forward_of_both_networks():
    assert (ACGAN().network, ACGAN().interval, ACGAN().shares_forward) == ("both", 1, True)


@pytest.mark.parametrize("phase", ["discriminator", "generator"])
def test_a_discriminator_without_class_logits_is_refused(phase):
    plain = DiscriminatorOutput(torch.zeros(2))
    with pytest.raises(ContractError, match="needs class logits, and the discriminator gives none") as caught:
        ACGAN().penalty(context(nn.Identity(), torch.zeros(2, 1), real_output=plain, fake_output=plain, phase=phase))

    assert caught.value.at == "regularizer acgan"
    assert caught.value.fix == "set the discriminator's conditioning to acgan"


@pytest.mark.parametrize(("missing", "phase"), [("labels", "discriminator"), ("fake_labels", "generator")])
def test_data_without_labels_is_refused(missing, phase):
    zeros = torch.zeros(2, 2)
    with pytest.raises(ContractError, match="needs labels, and there are none"):
        ACGAN().penalty(asked(zeros, zeros, phase=phase, **{missing: None}))


def test_a_weight_that_is_not_above_zero_is_refused():
    with pytest.raises(SettingsError, match="weight"):
        validate(model_of(ACGAN), {"weight": 0.0}, owner="regularizer 'acgan'")
