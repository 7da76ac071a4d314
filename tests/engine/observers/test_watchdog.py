"""A game that D has won is told, once, and ended where that is asked for."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganreg
from ganreg.engine.observers.watchdog import PATIENCE, Watchdog
from tests.engine.small import Generator, game, points, train

LOST = {"loss_d": 1e-6, "grad_g": 1e-9}
PLAYS = {"loss_d": 1.3, "grad_g": 0.1}


def test_it_is_told_after_some_looks_and_once_until_the_game_recovers():
    dog = Watchdog(stops=False)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in range(1, PATIENCE):
            assert dog.stepped(10 * step, LOST) is None
    with pytest.warns(UserWarning, match="D has won since step 10: its loss is 1e-06, and G's gradient 1e-09") as told:
        answers = [dog.stepped(10 * step, LOST) for step in range(PATIENCE, 3 * PATIENCE)]
    assert len(told) == 1
    assert set(answers) == {None}

    dog.stepped(1000, PLAYS)
    with pytest.warns(UserWarning, match="D has won since step 2000"):
        list(map(dog.stepped, range(2000, 2000 + PATIENCE), [LOST] * PATIENCE))


def test_its_last_word_is_the_run_s_while_it_holds():
    class Run:
        word = ""

    dog = Watchdog(stops=False)
    dog.started(Run)  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="D has won"):
        list(map(dog.stepped, range(PATIENCE), [LOST] * PATIENCE))
    assert Run.word.startswith("D has won since step 0")
    dog.stepped(1000, PLAYS)

    assert Run.word == ""


@pytest.mark.parametrize("values", [{**LOST, "grad_g": 1e-3}, {**LOST, "loss_d": 0.1}, {"loss_d": float("nan"), "grad_g": 0.0}])
def test_half_a_victory_is_none(values: dict[str, float]):
    dog = Watchdog(stops=True)

    assert [dog.stepped(step, values) for step in range(9)] == [None] * 9


class Judge(nn.Module):
    """Knows reals, which lie right of 1, from fakes, which start near 0, and is far too sure of it."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(300.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * (x[:, :1].sign() + 0 * x[:, :1])


class Left(Generator):
    def forward(self, z: Tensor) -> Tensor:
        return -super().forward(z).abs() - 1.0


@pytest.mark.parametrize("stops", [False, True])
def test_a_real_game_that_d_has_won(stops: bool):
    options: dict[str, Any] = {"on_imbalance": "stop"} if stops else {}
    with pytest.warns(UserWarning, match="D has won since step 1"):
        result = train(ganreg.GAN(Left(), Judge()), dataset=points().abs() + 1.0, steps=9, **options)

    assert result.history["step"][-1] == (PATIENCE if stops else 9)
    assert result.status == ("stopped" if stops else "done")


def test_the_lengths_of_both_gradients_are_logged():
    history = train(game(), steps=3).history

    assert all(value > 0 for value in (*history["grad_d"], *history["grad_g"]))
