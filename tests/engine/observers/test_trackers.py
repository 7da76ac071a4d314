"""Trackers in a real run: what they are told, and what becomes of one that fails."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganreg.engine.observers.samples import SampleGrids
from ganreg.engine.observers.trackers import Tracked, Trackers
from ganreg.errors import UsageError
from tests.engine.small import bits, game, train


class Diary:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def start(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.told.append("start")

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self.told.append(step)
        self.values = values

    def images(self, step: int, name: str, images: np.ndarray) -> None:
        self.told.append((step, name, images.dtype.name, images.shape))

    def finish(self, status: str) -> None:
        self.told.append(status)


def test_a_tracker_is_told_the_configuration_each_logged_step_the_grids_and_the_end(tmp_path: Path):
    diary = Diary()
    train(steps=4, log_every=2, sample_every=4, trackers=[diary], out=tmp_path / "run")
    reals, samples = (0, "reals", "uint8", (1, 512, 512, 1)), (4, "samples", "uint8", (1, 512, 512, 1))

    assert diary.told == ["start", reals, 2, 4, samples, "done"]
    assert diary.config["batch_size"] == 8
    assert {"loss_d", "loss_g", "d_real", "images", "images_per_second"} <= diary.values.keys()
    assert "step" not in diary.values


def test_without_a_directory_the_grids_are_shown_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    diary = Diary()
    train(steps=2, log_every=2, sample_every=2, trackers=[diary])

    assert [one[1] for one in diary.told if isinstance(one, tuple)] == ["reals", "samples"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", ["start", "scalars", "images", "finish"])
def test_one_that_raises_is_dropped_with_a_warning_and_the_others_go_on(tmp_path: Path, method: str):
    broken, diary = Diary(), Diary()

    def refuse(*given: object) -> None:
        raise ConnectionError("no route to host")

    setattr(broken, method, refuse)
    with pytest.warns(UserWarning, match="tracker Diary is dropped: ConnectionError: no route to host") as told:
        result = train(steps=2, trackers=[broken, diary], out=tmp_path / "run")

    assert len(told) == 1
    assert result.status == "done"
    assert diary.told[-1] == "done"


def test_our_own_error_at_the_start_ends_the_run(tmp_path: Path):
    class Refusing(Diary):
        def start(self, config: Mapping[str, Any]) -> None:
            raise UsageError("no such project", at="tracker", fix="make it")

    with pytest.raises(UsageError, match="no such project"):
        train(steps=2, trackers=[Refusing()], out=tmp_path / "run")


def test_a_tracker_changes_nothing():
    class Meddler(Diary):
        def scalars(self, step: int, values: Mapping[str, float]) -> None:
            torch.manual_seed(step)
            np.random.seed(step)
            torch.set_default_dtype(torch.float64)

    plain, tracked = game(), game()
    train(plain)
    train(tracked, trackers=[Meddler()])

    assert bits(plain.generator) == bits(tracked.generator)
    assert torch.get_default_dtype() == torch.float32


def test_what_a_step_does_not_have_is_left_out():
    diary = Diary()
    Trackers([Tracked("diary", diary)]).stepped(3, {"step": 3, "loss_d": 1.0, "d_real": float("nan"), "grad_d": float("inf")})

    assert diary.values == {"loss_d": 1.0, "grad_d": float("inf")}


def test_what_metrics_measured_comes_under_its_name():
    diary = Diary()
    rows = [{"step": 8, "metric": "fd", "value": 2.5}, {"step": 8, "metric": "kd", "value": None}]
    Trackers([Tracked("diary", diary)]).measured(rows)

    assert (diary.told, diary.values) == ([8], {"metric/fd": 2.5})


class Fake:
    """As much of a run as a tracker's start needs."""

    def __init__(self, **config: Any) -> None:
        self.config = config
        self.shown: list[str] = []


def test_a_user_in_an_address_is_not_handed_over():
    diary = Diary()
    dataset = {"path": "https://me:secret@host/x", "shape": (1, 2)}
    Trackers([Tracked("diary", diary)]).started(Fake(dataset=dataset, place=Path("a"), none=None))  # type: ignore[arg-type]

    assert diary.config == {"dataset": {"path": "https://***@host/x", "shape": [1, 2]}, "place": "a", "none": None}


def test_where_it_is_looked_at_is_said():
    class Seen(Diary):
        where = "http://localhost"

    run = Fake()
    Trackers([Tracked("diary", Diary()), Tracked("seen", Seen())]).started(run)  # type: ignore[arg-type]

    assert run.shown == ["seen: http://localhost"]


def test_a_grid_s_picture_is_an_array_of_one(tmp_path: Path):
    diary = Diary()
    grids = SampleGrids(None, 1)
    trackers = Trackers([Tracked("diary", diary)])
    trackers.run = type("Run", (), {"state": type("State", (), {"step": 5})})  # type: ignore[assignment]
    grids.show = trackers.show
    grids._write("samples", "unused", torch.zeros(4, 3, 8, 8))

    assert diary.told == [(5, "samples", "uint8", (1, 506, 506, 3))]
