"""A run that is killed at random moments, on each road to a checkpoint: what was said to be saved is there, and whole."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ganreg import registry, yamltext
from ganreg.assembly import train_config
from ganreg.assembly.config import resolve
from ganreg.engine import checkpoint
from tests.engine.test_checkpoint import in_a_child, told_by

NETWORK = {"name": "mlp", "hidden": [8]}
RUN = {"generator": NETWORK, "discriminator": NETWORK, "dataset": "gaussians", "batch_size": 8, "sample_every": 0, "keep": 2}
RUN |= {"precision": "fp32"}
KILLS = [
    pytest.param(20, marks=pytest.mark.timeout(300)),
    pytest.param(200, marks=[pytest.mark.nightly, pytest.mark.timeout(900)]),
]


@pytest.fixture(scope="module", autouse=True)
def _all_is_imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Before children are forked, so that each of them begins to train at once."""
    run_on(lambda step: 0, tmp_path_factory.mktemp("first") / "run", "at the end")


class Teller:
    """Tells of each step that begins to be seen, as 0, and of each checkpoint that is said to be saved, by its step."""

    every = 1

    def __init__(self, tell: Callable[[int], None]) -> None:
        self.tell = tell

    def started(self, run: Any) -> None: ...
    def finished(self, status: str) -> None: ...
    def stepped(self, step: int, values: Any) -> None:
        self.tell(0)

    def saved(self, path: Path) -> None:
        self.tell(int(path.name.removeprefix("step-")))


def alone(work: Callable[[], object]) -> None:
    """In a process of its own: one thread, and signals as they come."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # that a run was taken over from a process which left no word
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    work()


def run_on(tell: Callable[[int], None], run_dir: Path, road: str) -> None:
    """Train, from the newest checkpoint where there is one."""
    found = checkpoint.checkpoints(run_dir)
    done = int(found[-1].name.removeprefix("step-")) if found else 0
    last = {"every few steps": 10**6, "at the end": done + 2, "on signals": 10**6}[road]
    every = 2 if road == "every few steps" else 10**6
    config = resolve([yamltext.Document({**RUN, "steps": last, "checkpoint_every": every}, "test")], registry.current())
    train_config(config, out=run_dir, resume=run_dir if found else None, observers=[Teller(tell)], progress=False)


@pytest.mark.parametrize("road", ["every few steps", "at the end", "on signals"])
@pytest.mark.parametrize("kills", KILLS)
def test_no_kill_of_a_run_loses_a_checkpoint(road: str, kills: int, tmp_path: Path):
    dice, newest, said, run_dir = random.Random(kills), 0, 0, tmp_path / "run"
    window = 0.06  # seconds within which it is killed
    for number in range(kills):
        if run_dir.exists() and not checkpoint.checkpoints(run_dir):
            shutil.rmtree(run_dir)  # killed before its first: nothing to go on from
        child, pipe = in_a_child(lambda tell: alone(lambda: run_on(tell, run_dir, road)))
        first = os.read(pipe, 4)  # it trains; or it has ended, which its status tells
        kill = time.monotonic() + dice.uniform(0.0, window)
        while first and time.monotonic() < kill:
            if road == "on signals":
                os.kill(child, signal.SIGUSR1)
            time.sleep(0.002)
        os.kill(child, dice.choice([signal.SIGTERM, signal.SIGUSR1]) if road == "on signals" else signal.SIGKILL)
        time.sleep(dice.uniform(0.0, 0.01))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert first, number
        told = max(told_by(pipe), default=0)
        said += told > 0
        window = min(window * 1.5, 5.0) if told == 0 else window  # a busy machine saves as much later

        found = checkpoint.checkpoints(run_dir)
        assert all(checkpoint.is_whole(one) for one in found), number
        now = checkpoint.manifest(found[-1])["step"] if found else 0
        assert now >= max(newest, told), number
        newest = now

    assert said > kills // 10  # else nothing was tried
    assert newest > kills // 10


@pytest.mark.parametrize("kills", KILLS)
def test_no_kill_while_a_damaged_step_is_written_again_touches_the_older_one(kills: int, tmp_path: Path):
    dice, run_dir = random.Random(kills), tmp_path / "run"
    tensors = {"generator": {"w": torch.full((50_000,), 1.0)}}
    older = run_dir / "checkpoints" / "step-00000006"
    older.parent.mkdir(parents=True)
    began = time.monotonic()
    checkpoint.save(older, tensors, {"step": 6})
    a_save = time.monotonic() - began  # on a busy machine the kills come as much later
    before = {one.name: one.read_bytes() for one in older.iterdir()}
    place, repaired, latest = older.with_name("step-00000007"), 0, 0.01 + 4 * a_save

    def again(tell: Callable[[int], None]) -> None:
        for _ in range(1000):
            if place.exists():
                (place / "state.json").write_text("{}")  # damaged, so that it has to be written again
            checkpoint.save(place, tensors, {"step": 7})
            tell(7)

    for number in range(kills):
        child, pipe = in_a_child(again)
        time.sleep(dice.uniform(0.0, latest))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        saves = sum(1 for _ in told_by(pipe))
        repaired += saves
        latest *= 1.0 if saves else 1.5  # it was killed before it began

        assert {one.name: one.read_bytes() for one in older.iterdir()} == before, number
        with pytest.warns() if place.exists() and not checkpoint.is_whole(place) else _quietly():
            path, _ = checkpoint.newest(run_dir)
        assert path in (older, place)
        checkpoint.sweep(run_dir)
        shutil.rmtree(place, ignore_errors=True)
        for damaged in place.parent.glob(".damaged-*"):
            shutil.rmtree(damaged)

    assert repaired > kills // 4


def _quietly() -> Any:
    from contextlib import nullcontext

    return nullcontext()
