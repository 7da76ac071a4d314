import pytest

from ganreg.components.optimizers.adamw import adamw
from ganreg.errors import SettingsError
from ganreg.settings import model_of, validate
from tests.components.optimizers.by_hand import stepped


def test_a_decay_shrinks_the_weight_itself_by_lr_times_decay():
    assert stepped(adamw, [0.0], lr=0.1, weight_decay=0.5) == pytest.approx(0.95)
    assert stepped(adamw, [4.0], lr=0.1, weight_decay=0.5) == pytest.approx(0.95 - 0.1)


def test_a_negative_decay_is_refused():
    with pytest.raises(SettingsError, match="weight_decay must be greater than or equal to 0, got -1"):
        validate(model_of(adamw, 1), {"weight_decay": -1}, owner="optimizer 'adamw'")
