import pytest

from ganreg.components.optimizers.sgd import sgd
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate
from tests.components.optimizers.by_hand import stepped, weight


def test_a_step_is_the_learning_rate_times_the_gradient():
    assert stepped(sgd, [2.0, -1.0], lr=0.25) == 1.0 - 0.5 + 0.25


def test_momentum_repeats_a_share_of_the_last_step():
    assert stepped(sgd, [2.0, 0.0], lr=0.25, momentum=0.5) == 1.0 - 0.5 - 0.25


def test_it_has_no_momentum_unless_asked_and_is_fused_on_the_cpu():
    group = sgd([weight()]).param_groups[0]

    assert (group["momentum"], group["fused"]) == (0.0, True)


def test_a_momentum_of_one_is_refused():
    with pytest.raises(SettingsError, match="momentum must be less than 1, got 1"):
        validate(model_of(sgd, 1), {"momentum": 1}, owner="optimizer 'sgd'")
