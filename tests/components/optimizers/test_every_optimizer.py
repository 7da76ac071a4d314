"""What every built-in optimizer does alike."""

import pytest
import torch

import ganreg
from ganreg.contracts import Schedule
from ganreg.errors import SettingsError
from ganreg.registry import current
from tests.components.optimizers.by_hand import weight

OPTIMIZERS = [component.name for component in ganreg.components("optimizer")]


@pytest.fixture(params=OPTIMIZERS)
def part(request):
    return current().part("optimizer", request.param)


def test_a_schedule_gives_its_start_and_stays_in_every_group(part):
    falling = Schedule(start=0.1, stop=0.0, over_images=100)
    optimizer = part.factory([{"params": [weight()]}, {"params": [weight()]}], lr=falling)

    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.1]
    assert [group["schedules"] for group in optimizer.param_groups] == [{"lr": falling}] * 2


def test_parameters_may_come_from_an_iterator(part):
    layer = torch.nn.Linear(2, 2)

    assert sum(len(group["params"]) for group in part.factory(layer.parameters()).param_groups) == 2


def test_its_state_survives_a_round_trip(part):
    w = weight()
    one, other = part.factory([w], lr=0.1), part.factory([w], lr=0.3)
    w.grad = torch.ones_like(w)
    one.step()
    other.load_state_dict(one.state_dict())

    assert other.state_dict() == one.state_dict()


@pytest.mark.parametrize("lr", [0, -0.1])
def test_a_learning_rate_that_is_not_above_zero_is_refused(part, lr):
    with pytest.raises(SettingsError, match=f"lr must be greater than 0, got {lr}"):
        part.check({"lr": lr})


def test_a_schedule_can_be_written_as_settings(part):
    settings = part.check({"lr": {"start": "1e-3", "stop": 0, "over_images": 50}})

    assert settings["lr"] == Schedule(start=1e-3, stop=0.0, over_images=50)
