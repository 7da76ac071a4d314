import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ganreg.components.optimizers.adamw import adamw
from ganreg.contracts import Schedule
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate


def weight(value=1.0):
    return torch.nn.Parameter(torch.tensor([value], dtype=torch.float64))


def stepped(gradients, **settings):
    """One weight of 1 after a step along each gradient."""
    w = weight()
    optimizer = adamw([w], **settings)
    for gradient in gradients:
        w.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
    return w.item()


def test_a_schedule_gives_its_start_and_stays_in_every_group():
    falling = Schedule(start=0.1, stop=0.0, over_images=100)
    optimizer = adamw([{"params": [weight()]}, {"params": [weight()]}], lr=falling)

    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.1]
    assert [group["schedules"] for group in optimizer.param_groups] == [{"lr": falling}] * 2


def test_parameters_may_come_from_an_iterator():
    layer = torch.nn.Linear(2, 2)

    assert len(adamw(layer.parameters()).param_groups[0]["params"]) == 2


def test_its_state_survives_a_round_trip():
    w = weight()
    one, other = adamw([w], lr=0.1), adamw([w], lr=0.3)
    w.grad = torch.ones_like(w)
    one.step()
    other.load_state_dict(one.state_dict())

    assert other.state_dict() == one.state_dict()


@pytest.mark.parametrize("lr", [0, -0.1])
def test_a_learning_rate_that_is_not_above_zero_is_refused(lr):
    with pytest.raises(SettingsError, match=f"lr must be greater than 0, got {lr}"):
        validate(model_of(adamw, 1), {"lr": lr}, owner="optimizer 'adamw'")


def test_a_schedule_can_be_written_as_settings():
    written = {"start": "1e-3", "stop": 0, "over_images": 50}
    settings = validate(model_of(adamw, 1), {"lr": written}, owner="optimizer 'adamw'")

    assert settings["lr"] == Schedule(start=1e-3, stop=0.0, over_images=50)


def test_the_first_step_is_as_long_as_the_learning_rate_whatever_the_gradient():
    assert stepped([4.0], lr=0.1) == pytest.approx(0.9)
    assert stepped([-1e-3], lr=0.1) == pytest.approx(1.1, abs=1e-5)


def test_two_steps_by_hand():
    first, second = 0.5 * 2.0 / 0.5, (0.5 * 0.5 * 2.0 + 0.5 * 4.0) / 0.75  # unbiased means of the gradients 2, 4
    squares = (0.1 * 0.9 * 4.0 + 0.1 * 16.0) / (1 - 0.81)

    expected = 1.0 - 0.1 * first / 2.0 - 0.1 * second / squares**0.5

    assert stepped([2.0, 4.0], lr=0.1, betas=(0.5, 0.9)) == pytest.approx(expected)


def test_the_defaults_are_those_of_dcgan():
    group = adamw([weight()]).param_groups[0]

    assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (2e-4, (0.5, 0.999), 1e-8, 0.0)


def test_it_is_fused_on_the_cpu_and_not_capturable():
    group = adamw([weight()]).param_groups[0]

    assert group["fused"] is True
    assert group["capturable"] is False


def test_a_whole_number_beside_a_fraction_is_a_pair_of_betas():
    assert adamw([weight()], betas=(0, 0.9)).param_groups[0]["betas"] == (0.0, 0.9)
    assert stepped([1.0, 1.0], betas=(0, 0.9)) == pytest.approx(1.0 - 4e-4)


@pytest.mark.parametrize(("betas", "fault"), [((0.5, 1), "less than 1, got 1"), ((-1, 0.9), "greater than or equal to 0")])
def test_a_beta_outside_0_to_1_is_refused(betas, fault):
    with pytest.raises(SettingsError, match=f"betas must be {fault}"):
        validate(model_of(adamw, 1), {"betas": betas}, owner="optimizer 'adamw'")


def test_an_eps_of_zero_is_refused():
    with pytest.raises(SettingsError, match="eps must be greater than 0, got 0"):
        validate(model_of(adamw, 1), {"eps": 0}, owner="optimizer 'adamw'")


def test_a_decay_shrinks_the_weight_itself_by_lr_times_decay():
    assert stepped([0.0], lr=0.1, weight_decay=0.5) == pytest.approx(0.95)
    assert stepped([4.0], lr=0.1, weight_decay=0.5) == pytest.approx(0.95 - 0.1)


def test_a_negative_decay_is_refused():
    with pytest.raises(SettingsError, match="weight_decay must be greater than or equal to 0, got -1"):
        validate(model_of(adamw, 1), {"weight_decay": -1}, owner="optimizer 'adamw'")


def test_it_is_capturable_on_a_cuda_device():
    with FakeTensorMode():  # says what a card would hold, without one
        optimizer = adamw([torch.nn.Parameter(torch.ones(2, device="cuda"))])

    assert optimizer.param_groups[0]["capturable"] is True
