from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ganreg.engine import rundir
from ganreg.engine.rundir import RunDirectory
from ganreg.errors import RunBusyError, RunExistsError, StorageError


def test_runs_are_numbered_after_the_last(tmp_path: Path):
    assert rundir.next_free(tmp_path / "runs").name == "0001"
    for name in ("0001", "0007", "mine"):
        (tmp_path / name).mkdir()
    assert rundir.next_free(tmp_path).name == "0008"


def test_a_directory_that_holds_something_is_refused_with_both_choices(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(RunExistsError, match="is not empty") as told:
        rundir.check(tmp_path)

    assert (told.value.code, told.value.exit_code) == ("GR108", 2)
    assert "--resume" in told.value.fix
    assert "--out" in told.value.fix
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_directory_in_use_is_refused_naming_who(tmp_path: Path):
    owner = RunDirectory(tmp_path / "run")

    with pytest.raises(RunBusyError, match=rf"in use by process {os.getpid()} on .* since 20") as told:
        RunDirectory(tmp_path / "run")
    with pytest.raises(RunBusyError):
        RunDirectory(tmp_path / "run", resume=True)
    assert (told.value.code, told.value.exit_code) == ("GR601", 7)

    owner.release()
    RunDirectory(tmp_path / "run").release()


def test_a_file_in_the_way_is_refused(tmp_path: Path):
    (tmp_path / "run").write_text("")

    with pytest.raises(RunExistsError, match="is a file"):
        rundir.check(tmp_path / "run")


@pytest.mark.parametrize(("name", "what"), [("a" * 300, "File name too long"), ("two\nlines", "holds a control character")])
def test_a_name_that_cannot_be_made_is_refused_before_anything_is(name: str, what: str, tmp_path: Path):
    with pytest.raises(StorageError, match=what) as told:
        rundir.check(tmp_path / name)

    assert (told.value.code, told.value.exit_code) == ("GR501", 6)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # a test may run as root, who may write anywhere

    with pytest.raises(StorageError, match="cannot be written to"):
        rundir.check(tmp_path / "run")


def test_how_a_run_ended_is_told_for_tools(tmp_path: Path):
    owner = RunDirectory(tmp_path / "run")
    owner.ended(code=5, step=3, error="GR401", checkpoint=Path("step-00000002"))
    owner.release()

    told = json.loads((tmp_path / "run" / "exit.json").read_text())
    assert (told["code"], told["error"], told["step"], told["checkpoint"]) == (5, "GR401", 3, "step-00000002")
