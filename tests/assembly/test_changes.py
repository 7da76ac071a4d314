from __future__ import annotations

import pytest

from ganreg.assembly.changes import refuse_changes
from ganreg.errors import SettingsError

STORED = {"generator": {"name": "dcgan", "width": 32}, "betas": [0.5, 0.999], "steps": 10, "data": "abc"}


def check(now: dict[str, object], *allowed: str) -> None:
    refuse_changes(STORED, {**STORED, **now}, allowed, at="step-00000010")


def test_a_longer_run_and_another_way_to_log_are_no_change():
    check({"steps": 20, "log_every": 1, "betas": (0.5, 0.999)})


def test_every_difference_is_told_with_both_values():
    with pytest.raises(
        SettingsError, match=r"(?s)2 settings are wrong.*data is xyz, .* with abc.*width is 64, .* with 32"
    ) as told:
        check({"generator": {"name": "dcgan", "width": 64}, "data": "xyz"})

    assert told.value.exit_code == 2
    assert "--allow-change" in told.value.fix


def test_a_change_may_be_allowed_by_its_key_or_the_front_of_it():
    check({"generator": {"name": "dcgan", "width": 64}}, "generator.width")
    check({"generator": {"name": "mlp"}}, "generator")
    with pytest.raises(SettingsError):
        check({"generator": {"name": "mlp"}}, "gen")
