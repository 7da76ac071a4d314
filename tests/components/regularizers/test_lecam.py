"""LeCam on logits and running means that a reader can follow."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ganreg.components.regularizers.lecam import LeCam
from ganreg.contracts import DiscriminatorOutput, Schedule
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate
from tests.components.regularizers.contexts import context
from tests.engine.ranks import together


def asked(real, fake, **other):
    """The context of logits."""
    real, fake = (torch.as_tensor(one) for one in (real, fake))
    outputs = {"real_output": DiscriminatorOutput(real), "fake_output": DiscriminatorOutput(fake)}
    return context(nn.Identity(), torch.zeros(1, 1), **outputs, **other)


def lecam(real, fake, **settings):
    """One whose running means are these."""
    one = LeCam(**{"weight": 1.0, "start_step": 0, **settings})
    one.load_state_dict({"means": torch.tensor([real, fake])})
    return one


def test_each_side_is_measured_from_the_other_sides_running_mean():
    value = lecam(5.0, -1.0).penalty(asked([1.0, 3.0], [2.0]))

    assert value.item() == pytest.approx((4.0 + 16.0) / 2 + 9.0)  # (1 + 1)², (3 + 1)²; (2 - 5)²


def test_clipped_only_what_is_beyond_the_other_mean_costs():
    clipped = lecam(1.0, 0.0, clip=True)

    assert clipped.penalty(asked([2.0, -3.0], [4.0, -1.0])).item() == pytest.approx(4.0 / 2 + 4.0 / 2)  # 2 - 0, 1 + 1
    assert lecam(1.0, 0.0, clip=True).penalty(asked([-0.5], [1.5])).item() == 0.0
    assert lecam(1.0, 0.0).penalty(asked([-0.5], [1.5])).item() == pytest.approx(0.5)


def test_the_gradient_reaches_logits_and_not_the_means():
    real, fake = torch.tensor([1.0, 3.0], requires_grad=True), torch.tensor([2.0], requires_grad=True)
    one = lecam(5.0, -1.0)
    one.penalty(asked(real, fake)).backward()

    torch.testing.assert_close(real.grad, torch.tensor([2.0, 4.0]))  # 2 (x + 1) / 2
    torch.testing.assert_close(fake.grad, torch.tensor([-6.0]))
    assert not one.state_dict()["means"].requires_grad


def test_the_means_take_in_a_batch_after_it_was_judged_by_them():
    one = lecam(0.0, 0.0, decay=0.75)

    assert one.penalty(asked([4.0], [-8.0])).item() == pytest.approx(16.0 + 64.0)
    assert one.state_dict()["means"].tolist() == [1.0, -2.0]
    assert one.penalty(asked([1.0], [1.0])).item() == pytest.approx(9.0)
    assert one.state_dict()["means"].tolist() == [1.0, -1.25]


def test_before_its_start_only_the_means_run():
    one = lecam(0.0, 0.0, start_step=3, decay=0.5)
    real = torch.tensor([2.0], requires_grad=True)
    early = one.penalty(asked(real, [4.0], step=2))
    torch.autograd.backward([early, real], [torch.ones(()), torch.ones(1)])  # it is a root like any

    assert early.item() == 0.0
    assert real.grad.item() == 1.0
    assert one.state_dict()["means"].tolist() == [1.0, 2.0]
    assert one.penalty(asked([2.0], [4.0], step=3)).item() == pytest.approx(0.0 + 9.0)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_leaves_a_mean_as_it_was(broken):
    one = lecam(1.0, 2.0, decay=0.5)
    one.penalty(asked([broken, 0.0], [4.0]))

    assert one.state_dict()["means"].tolist() == [1.0, 3.0]


def test_patches_of_any_shape_are_averaged():
    value = lecam(0.0, 0.0).penalty(asked(2 * torch.ones(2, 1, 3, 3), torch.ones(4, 1)))

    assert value.item() == pytest.approx(5.0)


def test_a_scheduled_weight_is_that_of_the_images_seen():
    one = lecam(0.0, 0.0, decay=0.0, weight=Schedule(start=2.0, stop=0.0, shape="linear", over_images=100))

    assert [one.penalty(asked([1.0], [0.0], images=images)).item() for images in (0, 100)] == [2.0, 0.0]


def test_it_goes_on_from_its_state():
    one, other = lecam(0.5, -0.5), lecam(9.0, 9.0)
    one.penalty(asked([2.0], [1.0]))
    saved = one.state_dict()
    other.load_state_dict(saved)

    assert torch.equal(one.penalty(asked([3.0], [1.5])), other.penalty(asked([3.0], [1.5])))
    assert torch.equal(one.state_dict()["means"], other.state_dict()["means"])
    assert not torch.equal(saved["means"], one.state_dict()["means"])  # what was saved stays


RANKS = """
import torch.distributed as dist
from torch import nn
from ganreg.components.regularizers.lecam import LeCam
from tests.components.regularizers.test_lecam import asked
dist.init_process_group("gloo")
one = LeCam(weight=1.0, start_step=0, decay=0.5)
value = one.penalty(asked([2.0 + 4.0 * RANK], [-6.0]))
assert value.item() == (2.0 + 4.0 * RANK) ** 2 + 36.0, value  # its own logits
assert one.state_dict()["means"].tolist() == [2.0, -3.0]  # half of the mean of 2 and 6
one.penalty(asked([float("nan") if RANK else 2.0], [-6.0]))
assert one.state_dict()["means"].tolist() == [2.0, -4.5]
dist.destroy_process_group()
print("ok")
"""


@pytest.mark.timeout(120)
def test_the_means_are_those_of_all_ranks():
    assert [one.out for one in together(RANKS)] == ["ok\n"] * 2


def test_it_shares_the_discriminators_forward_at_every_step():
    assert (LeCam().network, LeCam().interval, LeCam().shares_forward) == ("discriminator", 1, True)


@pytest.mark.parametrize(("setting", "value"), [("weight", 0.0), ("decay", 1.0), ("start_step", -1), ("means", 1)])
def test_values_without_sense_are_refused(setting, value):
    with pytest.raises(SettingsError, match=setting):
        validate(model_of(LeCam), {setting: value}, owner="regularizer 'lecam'")
