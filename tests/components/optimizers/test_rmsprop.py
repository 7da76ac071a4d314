import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ganreg.components.optimizers.rmsprop import rmsprop
from ganreg.contracts import Schedule
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate


def weight(value=1.0):
    return torch.nn.Parameter(torch.tensor([value], dtype=torch.float64))


def stepped(gradients, **settings):
    """One weight of 1 after a step along each gradient."""
    w = weight()
    optimizer = rmsprop([w], **settings)
    for gradient in gradients:
        w.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
    return w.item()


def test_a_schedule_gives_its_start_and_stays_in_every_group():
    falling = Schedule(start=0.1, stop=0.0, over_images=100)
    optimizer = rmsprop([{"params": [weight()]}, {"params": [weight()]}], lr=falling)

    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.1]
    assert [group["schedules"] for group in optimizer.param_groups] == [{"lr": falling}] * 2


def test_parameters_may_come_from_an_iterator():
    layer = torch.nn.Linear(2, 2)

    assert len(rmsprop(layer.parameters()).param_groups[0]["params"]) == 2


def test_its_state_survives_a_round_trip():
    w = weight()
    one, other = rmsprop([w], lr=0.1), rmsprop([w], lr=0.3)
    w.grad = torch.ones_like(w)
    one.step()
    other.load_state_dict(one.state_dict())

    assert other.state_dict() == one.state_dict()


@pytest.mark.parametrize("lr", [0, -0.1])
def test_a_learning_rate_that_is_not_above_zero_is_refused(lr):
    with pytest.raises(SettingsError, match=f"lr must be greater than 0, got {lr}"):
        validate(model_of(rmsprop, 1), {"lr": lr}, owner="optimizer 'rmsprop'")


def test_a_schedule_can_be_written_as_settings():
    written = {"start": "1e-3", "stop": 0, "over_images": 50}
    settings = validate(model_of(rmsprop, 1), {"lr": written}, owner="optimizer 'rmsprop'")

    assert settings["lr"] == Schedule(start=1e-3, stop=0.0, over_images=50)


def test_two_steps_by_hand():
    first = 0.1 * 2.0 / (0.25 * 4.0) ** 0.5
    second = 0.1 * 3.0 / (0.75 * 0.25 * 4.0 + 0.25 * 9.0) ** 0.5

    assert stepped([2.0, 3.0], lr=0.1, alpha=0.75) == pytest.approx(1.0 - first - second)


def test_momentum_repeats_a_share_of_the_last_step():
    first = 0.1 * 2.0 / (0.25 * 4.0) ** 0.5

    assert stepped([2.0, 0.0], lr=0.1, alpha=0.75, momentum=0.5) == pytest.approx(1.0 - 1.5 * first)


def test_the_default_rate_is_that_of_the_wasserstein_gan_without_momentum():
    group = rmsprop([weight()]).param_groups[0]

    assert (group["lr"], group["momentum"], group["capturable"]) == (5e-5, 0.0, False)


def test_an_alpha_of_one_is_refused():
    with pytest.raises(SettingsError, match="alpha must be less than 1, got 1"):
        validate(model_of(rmsprop, 1), {"alpha": 1}, owner="optimizer 'rmsprop'")


def test_it_is_capturable_on_a_cuda_device():
    with FakeTensorMode():  # says what a card would hold, without one
        optimizer = rmsprop([torch.nn.Parameter(torch.ones(2, device="cuda"))])

    assert optimizer.param_groups[0]["capturable"] is True
