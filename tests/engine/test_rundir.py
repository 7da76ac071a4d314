from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from ganreg.engine import checkpoint, rundir
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

    owner.ended(code=0, step=0)
    owner.release()
    with pytest.raises(RunExistsError):
        RunDirectory(tmp_path / "run")


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
    owner.ended(code=5, step=3, error="GR401", checkpoint="step-00000002")
    owner.release()

    told = json.loads((tmp_path / "run" / "exit.json").read_text())
    assert (told["code"], told["error"], told["step"], told["checkpoint"]) == (5, "GR401", 3, "step-00000002")


def test_a_hundred_starts_at_once_change_nothing_of_a_run_in_use(tmp_path: Path):
    owner = RunDirectory(tmp_path / "run")
    owner.write_text("config.yaml", "mine")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    children = []
    for _ in range(100):
        child = os.fork()
        if not child:
            try:
                RunDirectory(tmp_path / "run", resume=True)
            except RunBusyError:
                os._exit(7)
            finally:
                os._exit(1)
        children.append(child)

    assert {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children} == {7}
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    owner.release()


def test_of_a_hundred_starts_at_once_one_gets_a_free_directory(tmp_path: Path):
    read, write = os.pipe()
    children = []
    for _ in range(100):
        child = os.fork()
        if not child:
            os.close(write)
            try:
                held = RunDirectory(tmp_path / "run", resume=True)
                os.read(read, 1)  # until the parent has seen all others end
                held.release()
                os._exit(0)
            except RunBusyError:
                os._exit(7)
            finally:
                os._exit(1)
        children.append(child)
    ended: dict[int, int] = {}
    while len(ended) < 99:
        child, status = os.wait()
        ended[child] = os.waitstatus_to_exitcode(status)
    os.close(write)
    winner = next(child for child in children if child not in ended)

    assert set(ended.values()) == {7}
    assert os.waitstatus_to_exitcode(os.waitpid(winner, 0)[1]) == 0
    os.close(read)


def test_a_run_whose_process_died_is_taken_over_with_a_note(tmp_path: Path):
    child = os.fork()
    if not child:
        held = RunDirectory(tmp_path / "run")
        os.kill(os.getpid(), signal.SIGKILL)
        held.release()
    os.waitpid(child, 0)

    with pytest.warns(UserWarning, match=rf"taken over from process {child} on .*, which left no word of its end"):
        again = RunDirectory(tmp_path / "run", resume=True)
    again.ended(code=0, step=3)
    again.release()
    later = RunDirectory(tmp_path / "run", resume=True)  # nothing to be said: it told its end

    assert not (tmp_path / "run" / "exit.json").exists()
    later.release()


def test_what_a_process_on_another_machine_left_without_a_word_is_taken_over_only_by_who_steals_it(tmp_path: Path):
    RunDirectory(tmp_path / "run").release()
    owner = tmp_path / "run" / ".owner.json"
    owner.write_text(json.dumps({"pid": 7, "host": "elsewhere", "since": "2026-01-01T00:00:00+00:00"}))
    before = owner.read_bytes()

    for _ in range(2):  # the refusal lets go of the lock
        with pytest.raises(RunBusyError, match="may be in use by process 7 on elsewhere since 2026-01-01") as told:
            RunDirectory(tmp_path / "run", resume=True)
    assert (told.value.exit_code, "--steal-lock" in told.value.fix) == (7, True)
    assert owner.read_bytes() == before

    with pytest.warns(UserWarning, match="taken over from process 7 on elsewhere"):
        held = RunDirectory(tmp_path / "run", resume=True, steal=True)
    held.ended(code=0, step=1)
    held.release()
    owner.write_bytes(before)
    RunDirectory(tmp_path / "run", resume=True).release()  # it told its end, there


def test_a_run_that_went_on_between_reading_and_locking_is_not_taken_back(tmp_path: Path):
    run = tmp_path / "run"
    RunDirectory(run).release()
    for step in (5, 10):
        checkpoint.save(run / "checkpoints" / f"step-{step:08d}", {"generator": {"w": torch.zeros(1)}}, {"step": step})
    (run / "exit.json").write_text("{}")

    with pytest.raises(RunBusyError, match="another process has meanwhile taken the run from step 5 to 10"):
        RunDirectory(run, resume=True, at_step=5)

    assert (run / "exit.json").exists()
    (run / "checkpoints" / "step-00000010" / "state.json").write_text("{}")  # damaged: it was passed over
    RunDirectory(run, resume=True, at_step=5).release()


@pytest.mark.parametrize("name", ["con", "NUL", "aux.v2", "Com1", "lpt9"])
def test_a_name_that_windows_keeps_for_a_device_is_refused(tmp_path: Path, name: str):
    with pytest.raises(StorageError, match=f"'{name}' is the name of a device on Windows"):
        rundir.check(tmp_path / name)
    rundir.check(tmp_path / "console")
    assert list(tmp_path.iterdir()) == []
