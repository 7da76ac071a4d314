from __future__ import annotations

from ganreg.engine.phases import phases
from tests.engine.test_step import Recorder


def names(*regularizers: Recorder, discriminator_steps: int = 1) -> list[str]:
    return [phase.name for phase in phases(regularizers, discriminator_steps)]


def test_the_discriminator_moves_first_then_the_generator():
    assert names() == ["discriminator main", "discriminator update", "generator main", "generator update"]


def test_several_discriminator_steps_repeat_its_whole_turn():
    assert names(discriminator_steps=3) == ["discriminator main", "discriminator update"] * 3 + [
        "generator main",
        "generator update",
    ]


def test_a_penalty_stands_between_the_gradient_and_the_update_of_its_network():
    turn = phases([Recorder("discriminator", 16), Recorder("generator")], 1)

    assert [phase.name for phase in turn] == [
        "discriminator main",
        "discriminator Recorder",
        "discriminator update",
        "generator main",
        "generator Recorder",
        "generator update",
    ]
    assert turn[1].interval == 16


def test_a_penalty_that_shares_the_forward_has_no_phase_of_its_own():
    assert names(Recorder("discriminator", shares_forward=True)) == names()
