"""Finding runs on disk."""

import os
from pathlib import Path

import pytest

from ganreg.cli import runs
from ganreg.errors import CheckpointError, UsageError


def saved(name: str, *, step: int, at: int) -> None:
    manifest = Path("runs", name, "checkpoints", f"step-{step:08d}", "manifest.json")
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    os.utime(manifest, ns=(at, at))


def test_latest_is_the_run_whose_checkpoint_is_the_newest():
    saved("0001", step=1, at=40)
    saved("0001", step=2, at=10)  # a clock that was set back
    saved("0002", step=9, at=30)
    saved("0004", step=1, at=5)
    saved("0004", step=2, at=35)
    Path("runs/0003/checkpoints").mkdir(parents=True)

    assert runs.find("latest") == Path("runs/0001")
    assert runs.trained() == [Path("runs/0002"), Path("runs/0004"), Path("runs/0001")]


def test_any_other_word_is_a_path():
    assert runs.find("somewhere") == Path("somewhere")
    assert runs.find("~/runs") == Path.home() / "runs"


def test_latest_without_a_saved_run_is_refused():
    Path("runs/0001").mkdir(parents=True)

    with pytest.raises(UsageError, match="there is no run with a checkpoint below runs"):
        runs.find("latest")


def test_the_runs_that_are_there_are_listed_the_newest_first():
    for number in (1, 2):
        saved(f"000{number}", step=1, at=number)
    with pytest.raises(CheckpointError, match=r"fix: one of runs/0002, runs/0001, or latest$"):
        runs.find("runs/00")

    for number in range(3, 10):
        saved(f"000{number}", step=1, at=number)
    with pytest.raises(CheckpointError, match=r"fix: one of runs/0009, runs/0008, .*, runs/0002, …, or latest$"):
        runs.find("runs/00")


@pytest.mark.parametrize("word", ["runs/001", "0001", "run/0001"])
def test_a_path_that_is_nowhere_is_told_the_nearest_run(word: str):
    saved("0001", step=1, at=40)

    with pytest.raises(CheckpointError, match=r"the run directory does not exist. Did you mean 'runs/0001'\?"):
        runs.find(word)
