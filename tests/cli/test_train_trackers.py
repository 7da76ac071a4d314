"""`--tracker`: chosen by name, with settings, in a new run and in one that goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganreg import yamltext

from .conftest import TINY, Run

SOURCE = '''
import ganreg


class Notes:
    """A file."""

    def __init__(self, run_dir, *, title: str = "plain"):
        self.run_dir, self.title = run_dir, title
        self.where = f"cat {run_dir / title}"

    def start(self, config): ...
    def images(self, step, name, images): ...
    def finish(self, status): ...
    def scalars(self, step, values):
        with (self.run_dir / self.title).open("a") as file:
            file.write(f"{step} ")


@ganreg.hookimpl
def ganreg_components():
    yield ganreg.Component("tracker", "notes", f"{__name__}:Notes", "A file.")
'''


@pytest.fixture
def notes(place: Path) -> tuple[str, ...]:
    file = place.parent / "notes.py"
    file.write_text(SOURCE)
    return ("--plugin", str(file))


def test_a_tracker_has_settings_and_says_where_it_is_looked_at(run: Run, notes: tuple[str, ...]):
    status, out, err = run("train", *TINY, *notes, "--tracker", "notes", "--tracker.notes.title", "mine", "--out", "r")

    assert (status, err) == (0, "")
    assert "\ntracker notes: cat r/mine\n" in out
    assert Path("r/mine").read_text() == "1 2 3 "
    assert yamltext.read(Path("r/config.yaml")).values["trackers"] == [{"name": "notes", "title": "mine"}]


def test_a_run_goes_on_with_its_trackers_with_others_or_with_none(run: Run, notes: tuple[str, ...]):
    run("train", *TINY, *notes, "--tracker", "notes", "--out", "r", "--quiet")
    again = ("train", *notes, "--resume", "r", "--quiet", "--steps")

    assert run(*again, "4").status == 0
    assert Path("r/plain").read_text() == "1 2 3 4 "
    assert run(*again, "5", "--tracker", "notes", "--tracker.notes.title", "other").status == 0
    assert Path("r/other").read_text() == "5 "
    assert run(*again, "6", "--tracker", "none").status == 0
    assert (Path("r/plain").read_text(), Path("r/other").read_text()) == ("1 2 3 4 ", "5 ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--tracker", "tensorbord"), "no tracker is named 'tensorbord'. Did you mean 'tensorboard'?"),
        (("--tracker", "notes", "--tracker", "notes"), "tracker 'notes' is named twice"),
        (("--tracker", "notes", "--tracker.notes.titel", "x"), "Did you mean '--tracker.notes.title'?"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    run: Run, notes: tuple[str, ...], words: tuple[str, ...], told: str
):
    status, _, err = run("train", *TINY, *notes, *words)

    assert status == 2
    assert told in err
    assert not Path("runs").exists()


def test_a_missing_extra_is_told_before_anything_is_written(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganreg.extras.find_spec", lambda name: None)

    for words in ((), ("--dry-run",)):
        status, _, err = run("train", *TINY, "--tracker", "wandb", *words)
        assert status == 2
        assert err.endswith(
            "error[GR109]: tracker wandb needs wandb, which is not installed\n"
            "  at: tracker wandb\n  fix: pip install 'ganreg[wandb]'\n"
        )
    assert not Path("runs").exists()


def test_tensorboard_keeps_what_it_shows_in_the_run(run: Run):
    pytest.importorskip("tensorboard", reason="ganreg[tensorboard]")
    assert run("train", *TINY, "--tracker", "tensorboard", "--quiet", "--out", "r").status == 0

    assert len(list(Path("r/tensorboard").glob("events.out.tfevents.*"))) == 1
