"""`--nproc`: several processes from one command line, and one exit status."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganreg.cli import several
from ganreg.cli.train import _words_of_one
from ganreg.errors import UsageError
from tests.engine.ranks import clean_environment

pytestmark = pytest.mark.timeout(180)

TINY = ["--generator=mlp", "--dataset=gaussians", "--precision=fp32", "--steps=20", "--batch-size=16", "--log-every=10"]


def ganreg(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ganreg", *words], env=clean_environment(), cwd=cwd, capture_output=True, text=True, timeout=150
    )


@pytest.mark.slow
def test_two_processes_write_one_run_and_speak_once(tmp_path: Path):
    ran = ganreg("train", *TINY, "--nproc", "2", cwd=tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("device: cpu, 2 ranks with 8 samples each; precision: fp32\n") == 1
    assert ran.stdout.count("step 20/20") == 1
    run = tmp_path / "runs/0001"
    assert [path.name for path in run.parent.iterdir()] == ["0001"]
    assert json.loads((run / "environment.json").read_text())["ranks"] == 2
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()] == [10, 20]
    assert json.loads((run / "exit.json").read_text())["code"] == 0

    again = ganreg("train", "--resume", "latest", "--steps", "30", cwd=tmp_path)  # alone, from what two had saved

    assert again.returncode == 0, again.stderr
    assert json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["images"] == 30 * 16


@pytest.mark.slow
def test_a_failing_rank_gives_the_exit_status(tmp_path: Path):
    ran = ganreg("train", *TINY, "--nproc", "2", "--optimizer=sgd", "--optimizer.lr=1e30", cwd=tmp_path)

    assert ran.returncode == 5, ran.stderr
    assert "error[GR401]: " in ran.stderr
    assert "error[GR701]: rank 0 ended with exit status 5" in ran.stderr or "rank 1 ended" in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_all_and_gives_its_status(sent: signal.Signals, status: int, tmp_path: Path):
    command = [sys.executable, "-m", "ganreg", "train", *TINY, "--steps=1000000", "--nproc=2", "--out=run"]
    process = subprocess.Popen(
        command, env=clean_environment(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "run/metrics.jsonl").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(sent)
        told = process.communicate(timeout=60)[1]
    finally:
        process.kill()
        process.communicate()

    assert process.returncode == status
    assert "Traceback" not in told
    assert "GR902" not in told


def test_what_is_wrong_with_the_command_line_is_told_once_before_anything_starts(tmp_path: Path):
    ran = ganreg("train", "--generator=dcgn", "--nproc=2", cwd=tmp_path)

    assert ran.returncode == 2
    assert ran.stderr.count("error[GR101]") == 1
    assert not (tmp_path / "runs").exists()


def test_under_torchrun_nothing_is_started(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RANK", "0")

    with pytest.raises(UsageError, match="torchrun started this process, so --nproc cannot"):
        several.start(2, ["train"])


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_batch_that_the_ranks_cannot_share_is_refused_before_they_start(tmp_path: Path, dry: list[str]):
    ran = ganreg("train", *TINY, "--batch-size=9", "--nproc=2", *dry, cwd=tmp_path)

    assert (ran.returncode, ran.stderr.count("error[")) == (2, 1), ran.stderr
    assert "batch_size must be a multiple of 2, for 2 ranks, got 9" in ran.stderr


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_rollback_that_ranks_cannot_do_is_refused_before_they_start(tmp_path: Path, dry: list[str]):
    ran = ganreg("train", *TINY, "--batch-size=8", "--nproc=2", "--on-nonfinite=rollback", *dry, cwd=tmp_path)

    assert (ran.returncode, ran.stderr.count("error[")) == (2, 1), ran.stderr
    assert "rollback works in one process, not yet in several" in ran.stderr


@pytest.mark.parametrize("words", [["--nproc", "2"], ["--nproc=2"]])
def test_each_process_gets_the_command_line_without_its_number(words, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["ganreg", "train", *words, "--steps", "5"])

    assert _words_of_one() == ["train", "--steps", "5"]


def test_a_rank_that_was_started_again_finds_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name, told in (("0001", "mine"), ("0002", "other")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "environment.json").write_text(json.dumps({"run_id": told}))

    assert several.restarted(None) is None
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "mine")  # the count says nothing on a machine whose own ranks lived
    assert several.restarted(None) == Path("runs/0001")
    assert several.restarted("runs/0001") == Path("runs/0001")
    assert several.restarted("runs/0002") is None  # somebody else's
    assert several.restarted("runs/0003") is None
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert several.restarted(None) is None
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    with pytest.raises(UsageError, match="cannot tell which run was its own"):
        several.restarted(None)
