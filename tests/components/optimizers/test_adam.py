import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ganreg.components.optimizers.adam import adam
from ganreg.components.optimizers.adamw import adamw
from ganreg.contracts import Schedule
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate
from tests.components.optimizers.by_hand import stepped, weight


@pytest.fixture(params=[adam, adamw], ids=["adam", "adamw"])
def build(request):
    """What follows holds for both: without decay AdamW is Adam."""
    return request.param


def test_the_first_step_is_as_long_as_the_learning_rate_whatever_the_gradient(build):
    assert stepped(build, [4.0], lr=0.1) == pytest.approx(0.9)
    assert stepped(build, [-1e-3], lr=0.1) == pytest.approx(1.1, abs=1e-5)


def test_two_steps_by_hand(build):
    first, second = 0.5 * 2.0 / 0.5, (0.5 * 0.5 * 2.0 + 0.5 * 4.0) / 0.75  # unbiased means of the gradients 2, 4
    squares = (0.1 * 0.9 * 4.0 + 0.1 * 16.0) / (1 - 0.81)

    expected = 1.0 - 0.1 * first / 2.0 - 0.1 * second / squares**0.5

    assert stepped(build, [2.0, 4.0], lr=0.1, betas=(0.5, 0.9)) == pytest.approx(expected)


def test_the_defaults_are_those_of_dcgan(build):
    group = build([weight()]).param_groups[0]

    assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (2e-4, (0.5, 0.999), 1e-8, 0.0)


def test_it_is_fused_on_the_cpu_and_not_capturable(build):
    group = build([weight()]).param_groups[0]

    assert group["fused"] is True
    assert group["capturable"] is False


def test_a_whole_number_beside_a_fraction_is_a_pair_of_betas(build):
    assert build([weight()], betas=(0, 0.9)).param_groups[0]["betas"] == (0.0, 0.9)
    assert stepped(build, [1.0, 1.0], betas=(0, 0.9)) == pytest.approx(1.0 - 4e-4)


def test_a_scheduled_beta_starts_where_it_starts_and_moves_with_the_other(build):
    rising = Schedule(start=0.9, stop=0.99, shape="linear", over_images=100)
    (group,) = build([weight()], betas=(0, rising)).param_groups

    assert group["betas"] == (0.0, 0.9)
    assert group["schedules"]["betas"].at(50) == pytest.approx((0.0, 0.945))
    assert group["schedules"]["betas"].at(1000) == pytest.approx((0.0, 0.99))


def test_a_beta_scheduled_to_1_is_refused(build):
    with pytest.raises(ValueError, match=r"expected betas from 0 to below 1, got a schedule from 0\.5 to 1"):
        build([weight()], betas=(Schedule(start=0.5, stop=1.0, over_images=10), 0.9))


@pytest.mark.parametrize(("betas", "fault"), [((0.5, 1), "less than 1, got 1"), ((-1, 0.9), "greater than or equal to 0")])
def test_a_beta_outside_0_to_1_is_refused(build, betas, fault):
    with pytest.raises(SettingsError, match=f"betas must be {fault}"):
        validate(model_of(build, 1), {"betas": betas}, owner="an optimizer")


def test_an_eps_of_zero_is_refused(build):
    with pytest.raises(SettingsError, match="eps must be greater than 0, got 0"):
        validate(model_of(build, 1), {"eps": 0}, owner="an optimizer")


def test_it_is_capturable_on_a_cuda_device(build):
    with FakeTensorMode():  # says what a card would hold, without one
        optimizer = build([torch.nn.Parameter(torch.ones(2, device="cuda"))])

    assert optimizer.param_groups[0]["capturable"] is True
