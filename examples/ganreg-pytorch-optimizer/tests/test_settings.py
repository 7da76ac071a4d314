"""An optimizer's own signature is its settings."""

import pytest
import torch
from torch import nn

import ganreg
from ganreg.contracts import Schedule
from ganreg.errors import SettingsError
from ganreg.registry import current


def settings_of(name):
    return dict(current().part("optimizer", name).model.model_fields)


def weights():
    return [nn.Parameter(torch.tensor([[1.0, -2.0], [3.0, 4.0]])), nn.Parameter(torch.tensor([5.0]))]


def test_lion_moves_every_weight_by_its_learning_rate():
    moved = weights()
    optimizer = ganreg.create("optimizer", "lion", moved, lr=0.5)
    for one, grad in zip(moved, (torch.tensor([[7.0, -1.0], [0.0, 2.0]]), torch.tensor([-9.0])), strict=True):
        one.grad = grad
    optimizer.step()

    assert moved[0].tolist() == [[0.5, -1.5], [3.0, 3.5]]  # against the sign; a gradient of 0 moves nothing
    assert moved[1].tolist() == [5.5]


def test_types_defaults_and_help_come_from_the_constructor():
    fields = settings_of("lion")

    assert list(fields)[:3] == ["lr", "betas", "weight_decay"]
    assert fields["betas"].default == (0.9, 0.99)
    assert fields["weight_decouple"].annotation is bool
    assert fields["weight_decay"].description == "Weight decay coefficient"


def test_what_no_file_can_say_is_no_setting():
    assert "clip_lambda" not in settings_of("adopt")  # a function
    assert "momentum_dtype" not in settings_of("adafactor")
    assert "norm_kwargs" not in settings_of("scion")


def test_a_default_of_infinity_is_none():
    assert settings_of("prodigy")["growth_rate"].default is None
    assert ganreg.create("optimizer", "prodigy", weights()).param_groups[0]["growth_rate"] == float("inf")
    assert ganreg.create("optimizer", "prodigy", weights(), growth_rate=2).param_groups[0]["growth_rate"] == 2.0


def test_faults_are_told_as_ganreg_tells_them():
    with pytest.raises(SettingsError, match=r"lr must be greater than 0, got 0"):
        ganreg.create("optimizer", "lion", weights(), lr=0)
    with pytest.raises(SettingsError, match=r"optimizer 'lion' has no setting 'beta'. Did you mean 'betas'\?"):
        ganreg.create("optimizer", "lion", weights(), beta=0.9)


def test_a_scheduled_rate_lies_in_the_groups_for_the_engine():
    rate = Schedule(start=1e-3, stop=0.0, over_images=100)
    (group,) = ganreg.create("optimizer", "adabelief", weights(), lr=rate).param_groups

    assert group["lr"] == 1e-3
    assert group["schedules"] == {"lr": rate}


def test_normuon_takes_matrices_and_leaves_the_rest_to_adamw():
    rate = Schedule(start=1e-3, stop=0.0, over_images=100)
    matrices, others = ganreg.create("optimizer", "normuon", weights(), lr=rate).param_groups

    assert (matrices["use_muon"], others["use_muon"]) == (True, False)
    assert [one.dim() for one in matrices["params"]] == [2]
    assert [one.dim() for one in others["params"]] == [1]
    assert "schedules" not in others  # AdamW's rate is the setting adamw_lr
