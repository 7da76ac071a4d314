import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ganreg.components.optimizers.rmsprop import rmsprop
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate
from tests.components.optimizers.by_hand import stepped, weight


def test_two_steps_by_hand():
    first = 0.1 * 2.0 / (0.25 * 4.0) ** 0.5
    second = 0.1 * 3.0 / (0.75 * 0.25 * 4.0 + 0.25 * 9.0) ** 0.5

    assert stepped(rmsprop, [2.0, 3.0], lr=0.1, alpha=0.75) == pytest.approx(1.0 - first - second)


def test_momentum_repeats_a_share_of_the_last_step():
    first = 0.1 * 2.0 / (0.25 * 4.0) ** 0.5

    assert stepped(rmsprop, [2.0, 0.0], lr=0.1, alpha=0.75, momentum=0.5) == pytest.approx(1.0 - 1.5 * first)


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
