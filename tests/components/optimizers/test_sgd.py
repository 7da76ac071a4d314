import pytest
import torch

from ganreg.components.optimizers.sgd import sgd
from ganreg.contracts import Schedule
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate


def weight(value=1.0):
    return torch.nn.Parameter(torch.tensor([value], dtype=torch.float64))


def stepped(gradients, **settings):
    """One weight of 1 after a step along each gradient."""
    w = weight()
    optimizer = sgd([w], **settings)
    for gradient in gradients:
        w.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
    return w.item()


def test_a_schedule_gives_its_start_and_stays_in_every_group():
    falling = Schedule(start=0.1, stop=0.0, over_images=100)
    optimizer = sgd([{"params": [weight()]}, {"params": [weight()]}], lr=falling)

    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.1]
    assert [group["schedules"] for group in optimizer.param_groups] == [{"lr": falling}] * 2


def test_parameters_may_come_from_an_iterator():
    layer = torch.nn.Linear(2, 2)

    assert len(sgd(layer.parameters()).param_groups[0]["params"]) == 2


def test_its_state_survives_a_round_trip():
    w = weight()
    one, other = sgd([w], lr=0.1), sgd([w], lr=0.3)
    w.grad = torch.ones_like(w)
    one.step()
    other.load_state_dict(one.state_dict())

    assert other.state_dict() == one.state_dict()


@pytest.mark.parametrize("lr", [0, -0.1])
def test_a_learning_rate_that_is_not_above_zero_is_refused(lr):
    with pytest.raises(SettingsError, match=f"lr must be greater than 0, got {lr}"):
        validate(model_of(sgd, 1), {"lr": lr}, owner="optimizer 'sgd'")


def test_a_schedule_can_be_written_as_settings():
    written = {"start": "1e-3", "stop": 0, "over_images": 50}
    settings = validate(model_of(sgd, 1), {"lr": written}, owner="optimizer 'sgd'")

    assert settings["lr"] == Schedule(start=1e-3, stop=0.0, over_images=50)


def test_a_step_is_the_learning_rate_times_the_gradient():
    assert stepped([2.0, -1.0], lr=0.25) == 1.0 - 0.5 + 0.25


def test_momentum_repeats_a_share_of_the_last_step():
    assert stepped([2.0, 0.0], lr=0.25, momentum=0.5) == 1.0 - 0.5 - 0.25


def test_it_has_no_momentum_unless_asked_and_is_fused_on_the_cpu():
    group = sgd([weight()]).param_groups[0]

    assert (group["momentum"], group["fused"]) == (0.0, True)


def test_a_momentum_of_one_is_refused():
    with pytest.raises(SettingsError, match="momentum must be less than 1, got 1"):
        validate(model_of(sgd, 1), {"momentum": 1}, owner="optimizer 'sgd'")
