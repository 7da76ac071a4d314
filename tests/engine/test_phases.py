from __future__ import annotations

import re
from pathlib import Path

import pytest

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


def told_by(page: str) -> list[str]:
    """Phases in the order of a page's diagram."""
    words = tuple(f"{network} {what}" for network in ("discriminator", "generator") for what in ("main", "penalty", "update"))
    diagram = next(block for block in re.findall(r"^```\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if words[0] in block)
    return [line[:22].strip() for line in diagram.splitlines() if line.startswith(words)]


@pytest.mark.parametrize("page", ["engine.md", "house.md"])
def test_the_diagrams_of_a_step_name_the_phases_in_their_order(page: str):
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    turn = names(Recorder("discriminator"), Recorder("generator"))

    assert told_by(text) == [name.replace("Recorder", "penalty") for name in turn]
    assert told_by("```\ngenerator main\ndiscriminator main\n```") == ["generator main", "discriminator main"]
