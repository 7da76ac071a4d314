"""Signals to real processes: a whole step is finished and saved, then the process ends as its shell expects."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ganreg.engine import checkpoint, signals

LONG = ("--generator", "mlp", "--dataset", "gaussians", "--steps", "1000000", "--set", "generator.hidden=[8]")
QUIET = (*LONG, "--log-every", "5", "--sample-every", "0", "--checkpoint-every", "0")

pytestmark = pytest.mark.timeout(180)


def as_in_a_terminal() -> None:
    """A test run in the background has some signals ignored, and its children inherit that."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def as_under_nohup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@contextmanager
def training(
    words: Sequence[str], out: Path, steps: int = 20, begin: Callable[[], None] = as_in_a_terminal, **streams: int
) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own, some steps on its way."""
    log = out / "metrics.jsonl"
    told = log.stat().st_size if log.exists() else 0
    process = subprocess.Popen(
        [sys.executable, "-m", "ganreg", "train", *words],
        text=True,
        env={**os.environ, "GANREG_KERNEL": "reference", "OMP_NUM_THREADS": "1"},
        preexec_fn=begin,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )
    try:
        end = time.monotonic() + 90
        while not log.exists() or log.stat().st_size < told + 200 * steps / 5:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end, "it does not train"
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, err = process.communicate(timeout=30)
    return process.returncode, err


def told(out: Path) -> dict[str, object]:
    return json.loads((out / "exit.json").read_text())


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted"), (signal.SIGHUP, 143, "terminated")],
)
def test_a_signal_ends_a_run_after_a_whole_step_that_is_saved(number: int, status: int, word: str, tmp_path: Path):
    out = tmp_path / "run"
    with training([*QUIET, "--out", str(out)], out) as process:
        process.send_signal(number)
        code, err = ended(process)

    assert code == status, err
    assert f"{word}; go on with: ganreg train --resume {out}" in err
    assert "Traceback" not in err
    last = checkpoint.checkpoints(out)[-1]
    assert checkpoint.is_whole(last)
    assert told(out) | {"at": ""} == {
        "code": status,
        "error": "",
        "step": int(last.name[5:]),
        "checkpoint": last.name,
        "at": "",
    }


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_nobody_listens_to_is_saved_all_the_same(number: int, status: int, tmp_path: Path):
    out = tmp_path / "run"
    with training([*QUIET, "--out", str(out)], out) as process:
        process.stdout.close()  # as `| tee` that Ctrl-C has ended
        process.stderr.close()
        process.send_signal(number)
        code = process.wait(30)

    assert code == status
    last = checkpoint.checkpoints(out)[-1]
    assert checkpoint.is_whole(last)
    assert (told(out)["code"], told(out)["checkpoint"]) == (status, last.name)


def test_a_terminal_that_is_closed_ends_a_run_in_order(tmp_path: Path):
    out, (ours, theirs) = tmp_path / "run", os.openpty()

    def own_terminal() -> None:
        as_in_a_terminal()
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    words = [*QUIET, "--log-every", "1", "--out", str(out)]
    with training(words, out, begin=own_terminal, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        os.close(ours)
        code = process.wait(30)

    assert code == 143
    assert told(out)["code"] == 143
    assert checkpoint.is_whole(checkpoint.checkpoints(out)[-1])


def test_under_nohup_a_hangup_ends_nothing(tmp_path: Path):
    out = tmp_path / "run"
    with training([*QUIET, "--out", str(out)], out, begin=as_under_nohup) as process:
        process.send_signal(signal.SIGHUP)
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 143


def test_a_run_that_was_ended_goes_on_to_what_it_would_have_been(tmp_path: Path):
    out, whole = tmp_path / "run", tmp_path / "whole"
    with training([*QUIET, "--out", str(out)], out) as process:
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 143
    steps = str(int(checkpoint.checkpoints(out)[-1].name[5:]) + 13)

    for words in (["--resume", str(out)], [*QUIET, "--out", str(whole)]):
        words = [word for word in words if word != "1000000" and word != "--steps"]
        subprocess.run(
            [sys.executable, "-m", "ganreg", "train", *words, "--steps", steps, "--quiet"],
            check=True,
            env={**os.environ, "GANREG_KERNEL": "reference", "OMP_NUM_THREADS": "1"},
            timeout=120,
        )

    ours, theirs = (checkpoint.checkpoints(path)[-1] for path in (out, whole))
    for name in checkpoint.manifest(theirs)["files"]:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
    clocks = {"seconds", "images_per_second"}
    rows = [
        [{key: value for key, value in json.loads(line).items() if key not in clocks} for line in log.read_text().splitlines()]
        for log in (out / "metrics.jsonl", whole / "metrics.jsonl")
    ]
    assert rows[0] == rows[1]


def test_a_signal_to_save_saves_and_the_run_goes_on(tmp_path: Path):
    out = tmp_path / "run"
    with training([*QUIET, "--out", str(out)], out) as process:
        process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + 30
        while not checkpoint.checkpoints(out) and time.monotonic() < end:
            time.sleep(0.02)
        saved = checkpoint.checkpoints(out)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 143

    assert len(saved) == 1
    assert checkpoint.is_whole(saved[0])
    assert checkpoint.checkpoints(out)[-1] != saved[0]


def test_a_second_signal_leaves_at_once(tmp_path: Path):
    out = tmp_path / "run"
    plugin = tmp_path / "sleepy.py"
    plugin.write_text(
        "import time, torch, ganreg\n"
        "class Sleepy(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.calls, self.layer = 0, torch.nn.Linear(2, 1)\n"
        "    def forward(self, x):\n"
        "        self.calls += 1\n"
        "        time.sleep(100 if self.calls > 200 else 0)\n"
        "        return self.layer(x)\n"
        "def build(spec):\n"
        "    return Sleepy()\n"
        "@ganreg.hookimpl\n"
        "def ganreg_components():\n"
        "    yield ganreg.Component('discriminator', 'sleepy', f'{__name__}:build', 'Sleeps.')\n"
    )
    words = [*QUIET, "--checkpoint-every", "20", "--plugin", str(plugin), "--discriminator", "sleepy", "--out", str(out)]
    with training(words, out) as process:
        time.sleep(2)  # it sleeps in the middle of a step by now
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert process.poll() is None
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code, err = ended(process)

    assert code == 143, err
    assert time.monotonic() - began < 10
    assert told(out)["code"] == 143
    assert told(out)["checkpoint"] == checkpoint.checkpoints(out)[-1].name


@pytest.mark.parametrize("whole_group", [False, True])
def test_workers_live_until_the_step_is_done_and_not_longer(whole_group: bool, tmp_path: Path):
    plugin = tmp_path / "drawn.py"
    plugin.write_text(
        "import torch, ganreg\n"
        "class Drawn(torch.utils.data.Dataset):\n"
        "    spec = ganreg.DataSpec((2,))\n"
        "    def __len__(self): return 640\n"
        "    def fingerprint(self): return 'drawn'\n"
        "    def __getitem__(self, index): return torch.randn(2) + index\n"
        "def build(): return Drawn()\n"
        "@ganreg.hookimpl\n"
        "def ganreg_components():\n"
        "    yield ganreg.Component('dataset', 'drawn', f'{__name__}:build', 'Drawn.')\n"
    )
    out = tmp_path / "run"
    words = [word if word != "gaussians" else "drawn" for word in QUIET]
    with training([*words, "--plugin", str(plugin), "--workers", "2", "--out", str(out)], out) as process:
        children = [int(one) for one in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        began = time.monotonic()
        for one in [process.pid, *(children if whole_group else [])]:
            os.kill(one, signal.SIGTERM)
        code, err = ended(process)
        assert time.monotonic() - began < signals.GRACE  # nobody waits for a worker's patience

    assert code == 143, err
    assert len(children) >= 2
    assert "Traceback" not in err
    end = time.monotonic() + 5
    while (alive := [one for one in children if Path(f"/proc/{one}/stat").exists()]) and time.monotonic() < end:
        time.sleep(0.05)
    assert alive == []
    assert checkpoint.is_whole(checkpoint.checkpoints(out)[-1])
