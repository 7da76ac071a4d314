from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import ganreg
from ganreg.engine.observers import balance
from ganreg.engine.observers.metrics_log import MetricsLog
from ganreg.engine.observers.progress import ProgressLine
from ganreg.errors import CheckpointError, UsageError
from tests.engine.small import game, train


class Diary(ganreg.Observer):
    def __init__(self) -> None:
        self.steps: list[int] = []
        self.saved_paths: list[Path] = []
        self.status = ""

    def started(self, run: Any) -> None:
        self.run = run

    def stepped(self, step: int, values: Any) -> None:
        self.steps.append(step)
        self.values = values

    def saved(self, path: Path) -> None:
        self.saved_paths.append(path)

    def finished(self, status: str) -> None:
        self.status = status


def test_an_observer_hears_every_logged_step_the_last_one_and_the_end(tmp_path: Path):
    diary = Diary()

    train(steps=7, log_every=3, observers=[diary], out=tmp_path / "run", checkpoint_every=4, sample_every=0)

    assert diary.steps == [3, 6, 7]
    assert [path.name for path in diary.saved_paths] == ["step-00000004", "step-00000007"]
    assert diary.status == "done"
    assert diary.run.total_steps == 7
    assert diary.values["images"] == 56


def test_an_observer_that_raises_is_dropped_with_a_warning_and_training_goes_on():
    class Broken(ganreg.Observer):
        def stepped(self, step: int, values: Any) -> None:
            raise RuntimeError("no room")

    diary = Diary()
    with pytest.warns(UserWarning, match="observer Broken is dropped: RuntimeError: no room") as told:
        train(steps=3, observers=[Broken(), diary])

    assert len(told) == 1
    assert diary.steps == [1, 2, 3]


@pytest.mark.parametrize("error", [SystemExit(1), GeneratorExit(), type("Odd", (BaseException,), {})("?")], ids=repr)
def test_whatever_an_observer_raises_drops_it_and_nothing_else(error: BaseException):
    class Broken(ganreg.Observer):
        def stepped(self, step: int, values: Any) -> None:
            raise error

    with pytest.warns(UserWarning, match="observer Broken is dropped"):
        assert train(steps=3, observers=[Broken()]).status == "done"


def test_what_an_observer_changes_is_put_back_and_training_is_the_same():
    class Meddler(ganreg.Observer):
        def stepped(self, step: int, values: Any) -> None:
            torch.set_default_dtype(torch.float64)
            torch.set_grad_enabled(False)
            torch.manual_seed(step)
            random.seed(step)
            np.random.seed(step)

    before = random.getstate(), np.random.get_state()[1].tolist()
    alone, watched = train(steps=4), train(steps=4, observers=[Meddler()])

    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    assert torch.get_default_dtype() is torch.float32
    assert alone.history["loss_d"] == watched.history["loss_d"]


def test_what_an_observer_draws_is_not_in_the_state_that_is_saved_after_it(tmp_path: Path):
    class Drawing(ganreg.Observer):
        def stepped(self, step: int, values: Any) -> None:
            torch.rand(7), random.random(), np.random.rand()

    for name, observers in (("alone", []), ("watched", [Drawing()])):
        train(steps=2, observers=observers, out=tmp_path / name, sample_every=0)
    alone, watched = (
        (tmp_path / name / "checkpoints/step-00000002/random.safetensors").read_bytes() for name in ("alone", "watched")
    )

    assert alone == watched


WATCH = """
import ganreg
from ganreg.errors import UsageError

class Watch(ganreg.Observer):
    def stepped(self, step, values):
        raise {raised}

@ganreg.hookimpl
def ganreg_observers(run):
    yield Watch()
"""


def test_an_observer_of_a_plugin_is_dropped_with_its_plugins_name(plugin: Any):
    plugin("watches", WATCH.format(raised="RuntimeError('full')"))
    with pytest.warns(UserWarning, match="is dropped") as told:
        train(steps=2)

    assert [str(one.message) for one in told] == [
        "observer Watch of ganreg-watches 1.0 (watches) is dropped: RuntimeError: full"
    ]


def test_an_observer_of_a_plugin_cannot_make_itself_one_that_the_run_needs(plugin: Any):
    odd = "OSError('net')\n    required = True\n    every = property(lambda self: 1 / 0)"
    plugin("watches", WATCH.format(raised=odd))
    with pytest.warns(UserWarning, match="observer Watch of ganreg-watches") as told:
        assert train(steps=2).status == "done"

    who = "observer Watch of ganreg-watches 1.0 (watches)"
    assert [str(one.message) for one in told] == [
        f"{who} is told every 1 steps, its own number cannot be read: ZeroDivisionError: division by zero",
        f"{who} is dropped: OSError: net",
    ]


def test_an_observer_of_a_plugin_that_ends_the_run_is_named(plugin: Any):
    plugin("watches", WATCH.format(raised="UsageError('no more', at='here', fix='stop')"))
    with pytest.raises(UsageError) as told:
        train(steps=2)

    said = "error[GR100]: no more (says observer Watch of ganreg-watches 1.0 (watches))\n  at: here\n  fix: stop"
    assert str(told.value) == said


def test_what_observing_cost_is_known():
    result = train(steps=20, log_every=20)

    assert 0 < result.observing_seconds < 1


@pytest.mark.parametrize(
    ("accuracy", "words"), [(0.99, "D wins"), (0.7, "D is ahead"), (0.5, "D cannot tell"), (0.1, "G is ahead")]
)
def test_the_game_is_told_in_words_beside_the_distance(accuracy: float, words: str):
    values = {"accuracy_d": accuracy, "loss_d": 1.0}

    assert balance(values, (1.25, 0.7)) == f"0.25 from equilibrium, {words}"
    assert balance(values, None) == words


def test_a_live_line_on_a_terminal_shows_both_losses():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=200)

    train(steps=4, observers=[ProgressLine(console)])

    assert "L_D" in screen.getvalue()
    assert "L_G" in screen.getvalue()
    assert "\x1b[" in screen.getvalue()


def test_a_plain_line_carries_no_control_codes(capsys: pytest.CaptureFixture[str]):
    train(steps=4, progress=True)

    assert "\x1b" not in capsys.readouterr().out


def test_the_log_is_cut_back_to_the_step_a_run_goes_on_from(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')

    class Run:
        class state:  # noqa: N801  (as the engine calls it)
            step = 2

    MetricsLog(path).started(Run)

    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2]


@pytest.mark.parametrize(
    "line", [b"\xff\xfe", b'{"step": 1e999}', b"[" * 100_000, b"{}", b"[1]", b"\x1b[2J"], ids=lambda one: str(one[:9])
)
def test_a_log_that_is_none_is_refused(tmp_path: Path, line: bytes):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line + b"\n")

    with pytest.raises(CheckpointError, match="a line of the log is not a logged step") as told:
        MetricsLog(path).started(type("Run", (), {"state": type("State", (), {"step": 2})}))

    assert "\x1b" not in str(told.value)


def test_what_is_not_finite_is_null_in_the_log(tmp_path: Path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.stepped(1, {"step": 1, "loss_d": float("nan")})

    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"step": 1, "loss_d": None}


def test_sample_grids_show_the_same_latents_and_points_are_a_scatter(tmp_path: Path):
    train(game(), steps=4, out=tmp_path / "run", sample_every=2, generator_optimizer=Still)

    first, second = (Image.open(tmp_path / "run" / "samples" / f"step-0000000{step}.png") for step in (2, 4))
    assert first.size == (512, 512)
    assert first.tobytes() == second.tobytes()


def Still(params: Any) -> Any:  # noqa: N802  (stands for a class)
    import torch

    return torch.optim.SGD(params, lr=0.0)


def test_a_slow_run_is_told_of_before_its_values_are_logged(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    train(steps=6, log_every=100, progress=True)
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["6/6"]

    monkeypatch.setattr("ganreg.engine.observers.progress.TICK_SECONDS", 0.0)
    train(steps=6, log_every=100, progress=True)
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == [f"{step}/6" for step in range(1, 7)]
