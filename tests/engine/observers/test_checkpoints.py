"""Checkpoints are written while training goes on: one at a time, tried again, rescued, and never in silence."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from ganreg.engine import checkpoint
from ganreg.engine.observers import checkpoints as saving
from ganreg.errors import NonFiniteError, StorageError
from tests.engine.small import game, train


def test_a_slow_save_holds_the_next_one_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save, writers, most = checkpoint.save, [], []

    def slow(*given: Any) -> Path:
        writers.append(threading.current_thread().name)
        most.append(len(writers))
        time.sleep(0.05)
        path = save(*given)
        writers.pop()
        return path

    monkeypatch.setattr(checkpoint, "save", slow)
    train(game(), steps=8, out=tmp_path / "run", checkpoint_every=1, keep=20)

    assert most == [1] * 8  # never two writers
    assert [int(path.name[5:]) for path in checkpoint.checkpoints(tmp_path / "run")] == list(range(1, 9))


def test_training_goes_on_while_a_checkpoint_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save, steps = checkpoint.save, []
    goes_on = threading.Event()

    def waits(*given: Any) -> Path:
        assert goes_on.wait(30), "no step was taken meanwhile"
        return save(*given)

    class Steps:
        every = 1

        def started(self, run: Any) -> None: ...
        def saved(self, path: Path) -> None: ...
        def finished(self, status: str) -> None: ...
        def stepped(self, step: int, values: Any) -> None:
            steps.append(step)
            if step == 7:
                goes_on.set()

    monkeypatch.setattr(checkpoint, "save", waits)
    train(game(), steps=9, out=tmp_path / "run", checkpoint_every=5, observers=[Steps()])

    assert steps == list(range(1, 10))
    assert checkpoint.is_whole(checkpoint.checkpoints(tmp_path / "run")[0])


def test_what_was_copied_for_a_checkpoint_is_not_touched_by_later_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda *given: (time.sleep(0.2), save(*given))[1])
    train(game(), steps=9, out=tmp_path / "late", checkpoint_every=5)
    monkeypatch.undo()
    train(game(), steps=5, out=tmp_path / "early", checkpoint_every=5)

    late, early = (tmp_path / name / "checkpoints" / "step-00000005" for name in ("late", "early"))
    for name in ("generator", "discriminator", "optimizer-generator", "random"):
        assert (late / f"{name}.safetensors").read_bytes() == (early / f"{name}.safetensors").read_bytes()


def test_what_cannot_be_saved_is_tried_again_then_rescued_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(saving, "PAUSE", 0.0)
    monkeypatch.setenv("GANREG_CACHE", str(tmp_path / "cache"))
    save, tries = checkpoint.save, []

    def refuses(directory: Path, *given: Any) -> Path:
        tries.append(directory)
        if "rescued" not in str(directory):
            raise StorageError("the checkpoint cannot be written: Read-only file system", at=str(directory))
        return save(directory, *given)

    monkeypatch.setattr(checkpoint, "save", refuses)
    with pytest.raises(StorageError, match="Read-only file system; it was saved elsewhere: ") as told:
        train(game(), steps=4, out=tmp_path / "run", checkpoint_every=4)

    assert len(tries) == saving.TRIES + 1
    rescued = Path(told.value.what.rpartition(": ")[2])
    assert rescued.name == "step-00000004"
    assert checkpoint.is_whole(rescued)
    assert {"seed", "ganreg", "torch", "data", "components"} <= set(checkpoint.manifest(rescued))


def test_a_run_directory_that_is_removed_ends_the_run_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(saving, "PAUSE", 0.0)
    monkeypatch.setenv("GANREG_CACHE", str(tmp_path / "cache"))

    class Removes:
        every = 3

        def started(self, run: Any) -> None:
            self.run = run

        def saved(self, path: Path) -> None: ...
        def finished(self, status: str) -> None: ...
        def stepped(self, step: int, values: Any) -> None:
            shutil.rmtree(self.run.directory)

    with pytest.raises(StorageError, match=r"GR501(?s:.*)No such file or directory") as told:
        train(game(), steps=6, out=tmp_path / "run", observers=[Removes()], log_every=2, checkpoint_every=6, sample_every=0)
    assert str(tmp_path / "run") in str(told.value)


def test_a_disk_without_room_is_told_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoint, "room", lambda path: 1000)

    with pytest.raises(StorageError, match=r"4 checkpoints will take some [\d,]+ bytes, 1,000 are free"):
        train(game(), steps=60, out=tmp_path / "run", checkpoint_every=5, keep=3)

    assert not (tmp_path / "run" / "metrics.jsonl").exists()


@pytest.mark.parametrize("place", ["ema", "discriminator", "optimizer-generator"])
def test_nan_that_no_loss_has_shown_is_found_when_it_would_be_saved(place: str, tmp_path: Path):
    class Spoils:
        every = 1

        def started(self, run: Any) -> None:
            self.run = run

        def saved(self, path: Path) -> None: ...
        def finished(self, status: str) -> None: ...
        def stepped(self, step: int, values: Any) -> None:
            if step != 6:  # observers of the user look before it is saved
                return
            state = self.run.state
            if place == "ema":
                next(state.ema.module.parameters()).view(-1)[0] = torch.nan
            elif place == "discriminator":
                state.gan.discriminator.mask[0] = torch.nan
            else:
                next(iter(state.optimizers["generator"].state.values()))["exp_avg_sq"].view(-1)[0] = torch.nan

    gan = game()
    gan.discriminator.register_buffer("mask", torch.tensor([0.0, -torch.inf, torch.inf]))  # infinities are somebody's masks
    with pytest.raises(NonFiniteError, match=f"{place} holds nan in .*, which no loss or gradient has shown") as told:
        train(gan, steps=6, out=tmp_path / "run", checkpoint_every=3, observers=[Spoils()])

    assert told.value.exit_code == 5
    assert [path.name for path in checkpoint.checkpoints(tmp_path / "run")] == ["step-00000003"]


def test_a_save_before_the_step_of_a_damaged_one_that_was_passed_over(tmp_path: Path):
    out = tmp_path / "run"
    train(game(), steps=9, checkpoint_every=3, keep=1, out=out)
    newest = checkpoint.checkpoints(out)[-1]
    written = saving.Checkpoints(out, 3, 1)
    (newest / "state.json").write_text("{}")
    files = {"generator": {"w": torch.zeros(2)}}

    written._write(newest.with_name("step-00000007"), files, {"step": 7})
    written._write(newest.with_name("step-00000008"), files, {"step": 8})

    assert [one.name[-1] for one in checkpoint.checkpoints(out)] == ["8", "9"]
    with pytest.warns(UserWarning, match="step-00000009.*; going on from step-00000008"):
        assert checkpoint.newest(out)[0].name == "step-00000008"
