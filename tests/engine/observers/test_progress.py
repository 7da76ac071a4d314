"""What is shown while a run trains: a view on a terminal, lines that can be grepped elsewhere."""

from __future__ import annotations

import io
import math
import re
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from ganreg.engine.observers.progress import ProgressLine, _clock
from tests.engine.small import train

VALUES = {
    "step": 500.0,
    "images": 32000.0,
    "loss_d": 1.1,
    "loss_g": 0.92,
    "d_real": 0.61,
    "d_fake": 0.41,
    "accuracy_d": 0.66,
    "images_per_second": 1825.3,
}
ROW = {"step": 400, "metric": "fd", "value": 12.345, "reason": "", "extractor": "digits-cnn", "weights": "ema"}
PROTOCOL = {"n_real": 1797, "n_fake": 2000}
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def a_run(**told: Any) -> Any:
    settings, state = SimpleNamespace(log_every=500), SimpleNamespace(step=0)
    told = {"total_steps": 2000, "equilibrium": (2 * math.log(2), math.log(2)), "word": ""} | told
    return SimpleNamespace(settings=settings, state=state, **told)


def shown(run: Any, values: dict[str, float], *rows: dict[str, Any], terminal: bool = True, **settings: Any) -> str:
    screen = io.StringIO()
    line = ProgressLine(Console(file=screen, force_terminal=terminal, width=80, height=30, **settings))
    line.started(run)
    line.measured(rows)
    line.stepped(500, values)
    line.finished("done")
    return screen.getvalue()


def last_frame(text: str) -> list[str]:
    """The lines below the last bar."""
    lines = [line.strip() for line in ESCAPE.sub("", text.replace("\r", "\n")).splitlines() if line.strip()]
    first = max(index for index, line in enumerate(lines) if "/2000" in line)
    return lines[first:]


def test_the_view_says_how_the_game_stands_how_fast_and_how_long_it_takes():
    head, pace, numbers, stands = last_frame(shown(a_run(), VALUES))

    assert re.search(r"500/2000 +25 % +left \d+:\d\d$", head)
    assert pace == "images 32,000  1825 img/s"
    assert numbers == "L_D 1.100  L_G 0.920  D(x) 0.61  D(G(z)) 0.41"
    assert stands == "0.29 from equilibrium, D is ahead"


def test_the_view_holds_the_last_of_each_metric_what_was_left_out_and_the_watchdog_s_word():
    older, newer = {**ROW, "protocol": PROTOCOL}, {**ROW, "step": 450, "value": 9.0, "protocol": PROTOCOL}
    none = {**ROW, "metric": "kd", "value": None, "reason": "too few", "protocol": PROTOCOL}
    run = a_run(word="D has won since step 300")
    _, pace, _, _, fd, kd, own, word = last_frame(
        shown(run, VALUES | {"metric/own": 0.5, "rollbacks": 2.0, "skipped": 0.0}, older, newer, none)
    )

    assert pace.endswith("img/s  rollbacks 2")
    assert fd == "fd 9 at step 450  (digits-cnn)"
    assert kd == "kd none: too few at step 400  (digits-cnn)"
    assert own == "own 0.5 at step 500"
    assert word == "D has won since step 300"


def test_no_line_is_wider_than_a_terminal_of_80_columns():
    text = shown(a_run(total_steps=10**7), VALUES | {"step": 9e6, "images": 5.8e8, "loss_d": 100.0, "loss_g": 100.0})

    assert max(len(line) for line in ESCAPE.sub("", text).splitlines()) <= 80


def test_no_color_has_none():
    assert not re.search(r"\x1b\[[0-9;]*m", shown(a_run(), VALUES | {"accuracy_d": 1.0}, no_color=True).replace("\x1b[0m", ""))
    assert "\x1b[31m" in shown(a_run(), VALUES | {"accuracy_d": 1.0})


def test_elsewhere_it_is_a_plain_line_that_says_the_same():
    text = shown(a_run(), VALUES, {**ROW, "protocol": PROTOCOL}, terminal=False)
    measured, line = text.splitlines()

    assert measured == "step 400: fd 12.35  (digits-cnn, 1797 reals, 2000 fakes, ema weights)"
    assert line.startswith(
        "step 500/2000  images 32000  L_D 1.100  L_G 0.920  D(x) 0.61  D(G(z)) 0.41  "
        "0.29 from equilibrium, D is ahead  1825 img/s  left "
    )


def test_a_loss_without_an_equilibrium_shows_no_distance():
    assert "D is ahead" in last_frame(shown(a_run(equilibrium=None), VALUES))


def test_a_run_is_shown_to_its_end():
    screen = io.StringIO()
    train(steps=4, observers=[ProgressLine(Console(file=screen, force_terminal=True))])

    assert re.search(r"4/4 +100 % +left 0:00", ESCAPE.sub("", screen.getvalue()))


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "0:00"), (61, "1:01"), (3661, "1:01:01")])
def test_time_is_told_as_a_clock(seconds: float, told: str):
    assert _clock(seconds) == told
