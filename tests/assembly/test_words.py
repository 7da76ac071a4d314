"""What a run was warned of is kept beside it, and still shown."""

import json
import warnings
from pathlib import Path

import pytest

import ganreg
from ganreg.assembly.words import kept
from ganreg.engine.observers.watchdog import PATIENCE
from ganreg.plugins import PluginWarning
from tests.engine.observers.test_watchdog import Judge, Left
from tests.engine.small import points, train


def rows(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_the_watchdog_s_words_are_kept_with_the_step_and_shown(tmp_path: Path):
    game = ganreg.GAN(Left(), Judge())
    with pytest.warns(UserWarning, match="D has won since step 1"):
        train(game, dataset=points().abs() + 1.0, steps=9, out=tmp_path / "run")

    (row,) = rows(tmp_path / "run" / "words.jsonl")
    assert row["step"] == PATIENCE
    assert row["told"].startswith("D has won since step 1: its loss is")


def test_a_plugin_s_warning_is_kept_and_a_stranger_s_is_not(tmp_path: Path):
    def warned() -> None:
        with kept(tmp_path / "words.jsonl", lambda: 3):
            warnings.warn("odd \x1b[31m", PluginWarning, stacklevel=1)
            warnings.warn("from torch, say", UserWarning, stacklevel=1)
            warnings.warn("old", DeprecationWarning, stacklevel=1)

    with pytest.warns() as shown:
        warned()

    assert len(shown) == 3

    assert [row["told"] for row in rows(tmp_path / "words.jsonl")] == ["odd \\x1b[31m"]


def test_afterwards_warnings_are_shown_as_before(tmp_path: Path):
    before = warnings.showwarning
    with pytest.raises(ZeroDivisionError), kept(tmp_path / "words.jsonl", lambda: 0):
        1 / 0  # noqa: B018

    assert warnings.showwarning is before
    assert not (tmp_path / "words.jsonl").exists()


def test_a_file_that_cannot_be_written_ends_no_run(tmp_path: Path):
    with pytest.warns(PluginWarning, match="odd"), kept(tmp_path / "gone" / "words.jsonl", lambda: 0):
        warnings.warn("odd", PluginWarning, stacklevel=1)
