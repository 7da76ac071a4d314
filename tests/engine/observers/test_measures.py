"""Measuring while a run trains: what is written, what stays, and that training is the run it would have been."""

from __future__ import annotations

import json
import random
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import ganreg
from ganreg.engine import best, checkpoint
from ganreg.engine.observers.measures import cut_back
from ganreg.errors import MismatchError
from tests.engine.ranks import together
from tests.engine.small import game, train

EVERY = {"metric_every": 2, "metric_samples": 40, "sample_every": 0, "checkpoint_every": 100, "log_every": 1}


class Scripted:
    """A metric whose values are known before: one for each time that it is asked."""

    higher_is_better = True

    def __init__(self, *values: Any) -> None:
        self.values = list(values)

    def __call__(self, real: Tensor, fake: Tensor) -> Any:
        value = self.values.pop(0)
        if isinstance(value, Exception):
            raise value
        torch.manual_seed(17)  # as careless as code may be
        torch.rand(3)
        random.seed(17)
        np.random.seed(17)
        return value


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganreg.assembly.metrics.cache", lambda: tmp_path / "statistics")


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "evaluations.jsonl").read_text().splitlines()]


def steps(run: Path) -> list[int]:
    return [checkpoint.step_of(one) for one in checkpoint.checkpoints(run)]


def files(run: Path, step: int) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in (run / f"checkpoints/step-{step:08d}").glob("*.safetensors")}


def test_rows_are_written_when_due_and_at_the_end_and_told_in_the_result(tmp_path: Path):
    told = train(steps=5, metrics=["kernel-distance"], out=tmp_path / "run", **EVERY)
    rows = lines(tmp_path / "run")

    assert [row["step"] for row in rows] == [2, 4, 5]
    assert told.evaluations == rows
    assert {(row["metric"], row["extractor"], row["weights"]) for row in rows} == {("kernel-distance", "pixels", "ema")}
    assert rows[0]["protocol"]["n_fake"] == 40
    assert all(row["value"] is not None for row in rows)


def test_without_a_directory_the_result_tells_all():
    rows = train(steps=2, metrics=["kernel-distance"], metric_every=1, metric_samples=40).evaluations

    assert [row["step"] for row in rows] == [1, 2]


def test_measuring_changes_no_bit_of_the_run(tmp_path: Path):
    train(game(norm=True), steps=6, out=tmp_path / "alone", **EVERY)
    train(game(norm=True), steps=6, out=tmp_path / "measured", metrics=[Scripted(1.0, 2.0, 3.0)], **EVERY)

    assert files(tmp_path / "alone", 6) == files(tmp_path / "measured", 6)


def test_the_best_checkpoint_stays_and_is_named(tmp_path: Path):
    run = tmp_path / "run"
    train(steps=8, metrics=[Scripted(0.1, 0.9, 0.5, 0.4)], out=run, **{**EVERY, "checkpoint_every": 1, "keep": 1})
    found = best.told(run)

    assert steps(run) == [4, 8]
    assert found is not None
    assert (found["step"], found["metric"], found["values"]) == (4, "Scripted", {"Scripted": 0.9})
    checkpoint.verify(best.path_of(run))


def test_what_a_metric_fails_in_is_told_and_training_goes_on(tmp_path: Path):  # N9
    run = tmp_path / "run"
    with pytest.warns(UserWarning, match="metric Scripted gives no value at step 2: RuntimeError: no root") as told:
        train(steps=4, metrics=[Scripted(RuntimeError("no root"), RuntimeError("no root"))], out=run, **EVERY)

    assert len(told) == 1
    assert [(row["value"], row["reason"]) for row in lines(run)] == [(None, "RuntimeError: no root")] * 2
    assert best.told(run) is None
    assert json.loads((run / "exit.json").read_text())["code"] == 0


@pytest.mark.parametrize("value", [{}, None, "much", torch.ones(2)])
def test_what_is_no_number_is_told_and_training_goes_on(tmp_path: Path, value: Any):  # N9
    run = tmp_path / "run"
    with pytest.warns(UserWarning, match="metric Scripted gives no value at step 2: it returned "):
        train(steps=2, metrics=[Scripted(value)], out=run, **EVERY)

    assert [row["value"] for row in lines(run)] == [None]
    assert best.told(run) is None
    assert json.loads((run / "exit.json").read_text())["code"] == 0


def test_who_watches_hears_of_it():
    class Diary(ganreg.Observer):
        def __init__(self) -> None:
            self.heard: list[Any] = []

        def measured(self, rows: Any) -> None:
            self.heard.append([row["value"] for row in rows])

    diary = Diary()
    train(steps=2, metrics=[Scripted(1.0, 2.0)], metric_every=1, metric_samples=40, observers=[diary])

    assert diary.heard == [[1.0], [2.0]]


def test_lines_of_steps_that_come_again_are_cut_and_others_stay(tmp_path: Path):
    path = tmp_path / "evaluations.jsonl"
    path.write_text('{"step": 2}\nwhat is this\n{"step": 4}\n{"step": 3}\n{"step": 2')
    cut_back(path, 3)

    assert path.read_text() == '{"step": 2}\nwhat is this\n{"step": 3}\n'
    cut_back(tmp_path / "none", 3)


def test_a_run_that_goes_on_measures_what_the_whole_one_would_and_knows_its_best(tmp_path: Path):
    from ganreg import registry, yamltext
    from ganreg.assembly import train_config
    from ganreg.assembly.config import resolve

    network = {"name": "mlp", "hidden": [8]}
    settings = {"generator": network, "discriminator": network, "dataset": "gaussians", "batch_size": 8, "steps": 8}
    asked = {
        **settings,
        **EVERY,
        "checkpoint_every": 3,
        "keep": 9,
        "metric_reals": 100,
        "metrics": ["kernel-distance", "mode-coverage"],
    }

    def go(out: Path, resume: Path | None = None) -> None:
        config = resolve([yamltext.Document(asked, "test")], registry.current())
        train_config(config, out=out, resume=resume, progress=False)

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    go(whole)
    shutil.copytree(whole, stopped)
    for step in steps(stopped):
        if step > 3:
            shutil.rmtree(stopped / f"checkpoints/step-{step:08d}")
    found = best.told(whole)
    assert found is not None
    if found["step"] > 3:
        (stopped / "checkpoints/best.json").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        go(stopped, resume=stopped)

    assert lines(stopped) == lines(whole)
    assert files(stopped, 8) == files(whole, 8)
    assert steps(stopped)[-1] == 8


def test_metrics_that_do_not_fit_are_refused_before_a_directory_is_there(tmp_path: Path):
    with pytest.raises(MismatchError, match="metric 'mode-coverage' is not for these data"):
        train(steps=2, metrics=["mode-coverage"], out=tmp_path / "run")
    with pytest.raises(MismatchError, match="needs class logits, which extractor pixels does not give"):
        train(steps=2, metrics=["inception-score"], out=tmp_path / "run")
    with pytest.raises(TypeError, match="expected a list of metrics, got the text 'x'"):
        train(steps=2, metrics="x")
    with pytest.raises(TypeError, match="expected a metric to be callable and have higher_is_better, got int"):
        train(steps=2, metrics=[3])

    assert not (tmp_path / "run").exists()


SLOW = """
from pathlib import Path

class Slow:
    higher_is_better = True
    def __call__(self, real, fake):
        time.sleep(float(os.environ["SECONDS"]))
        return 1.0

try:
    told = train(
        steps=4, log_every=1, metric_every=2, metric_samples=20, metrics=[Slow()], rank_timeout=3.0,
        metric_timeout=float(os.environ["LIMIT"]), out=Path(os.environ["FOLDER"]) / "run",
    )
    print(told.status, len(told.evaluations), flush=True)
except ganreg.GanregError as error:
    print(error.code, error.what, flush=True)
    os._exit(0)
"""


@pytest.mark.timeout(200)
def test_ranks_wait_for_a_slow_metric_longer_than_for_each_other(tmp_path: Path):  # X6
    environment = {"SECONDS": "5", "LIMIT": "60", "FOLDER": str(tmp_path)}
    main, other = together(SLOW, each=[environment] * 2)

    assert (main.out, other.out) == ("done 2\n", "done 0\n")


@pytest.mark.timeout(200)
def test_a_rank_that_waits_too_long_for_a_metric_says_what_for(tmp_path: Path):  # X6
    environment = {"SECONDS": "8", "LIMIT": "2", "FOLDER": str(tmp_path)}
    _, other = together(SLOW, each=[environment] * 2)

    assert other.out.startswith("GR701 a rank was gone, or late by more than 2 s, while the main rank measured its metrics")
