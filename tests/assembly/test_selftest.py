"""The user's own proof, tried on us: it passes here, and sees what is broken on purpose."""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path

import pytest

from ganreg.assembly import selftest
from ganreg.engine import checkpoint
from tests.assembly.test_train_gan import run_dir as run_dir


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.nightly)])
def test_all_promises_are_kept_here(kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GANREG_KERNEL", "reference")

    found = list(selftest.trials(tmp_path, kills=kills, flips=50, seed=1, python=sys.executable))

    assert [trial for trial in found if not trial.kept] == []
    assert len(found) == 6
    assert " 0 checkpoints lost; in the end the same bits" in found[1].told


def test_runs_that_differ_are_not_alike(run_dir: Path, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(run_dir, other)
    assert selftest.alike(run_dir, other)

    log = other / "metrics.jsonl"
    log.write_text(log.read_text().replace('"step": 4', '"step": 5'))
    assert not selftest.alike(run_dir, other)
    shutil.copy(run_dir / "metrics.jsonl", log)
    path = checkpoint.checkpoints(other)[-1] / "ema.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert not selftest.alike(run_dir, other)
    shutil.rmtree(checkpoint.checkpoints(other)[-1])
    assert not selftest.alike(run_dir, other)


def test_a_check_that_finds_nothing_is_told_as_broken(run_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoint, "verify", lambda directory: None)

    trial = selftest.Lab(run_dir, sys.executable).flipped(run_dir, 5, random.Random(0))

    assert not trial.kept
    assert trial.told.startswith("0 of 5 found")


def test_kills_that_came_too_late_prove_nothing(run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    delays = []

    def at_once(self: selftest.Lab, *words: str, kill_after: float | None = None) -> int:
        delays.append(kill_after)
        shutil.copytree(run_dir, self.folder / "killed", dirs_exist_ok=True)
        return 0

    monkeypatch.setattr(selftest.Lab, "train", at_once)
    monkeypatch.setattr(selftest, "STEPS", checkpoint.step_of(checkpoint.checkpoints(run_dir)[-1]))

    trial = selftest.Lab(tmp_path, sys.executable).killed(run_dir, 20, random.Random(0), 10.0)

    assert not trial.kept
    assert trial.told == "0 of 20 starts killed, 0 checkpoints lost; in the end the same bits"
    assert delays[19] < 1.0 < delays[0]
