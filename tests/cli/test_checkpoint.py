"""`ganreg checkpoint`: what there is, and whether it is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganreg.engine import checkpoint
from tests.cli.conftest import TINY, Run


@pytest.fixture
def saved(run: Run) -> Path:
    """A run with three checkpoints."""
    ran = run("train", *TINY, "--checkpoint-every", "1", "--quiet")
    assert ran.status == 0, ran.err
    return Path(ran.out.strip())


def test_every_checkpoint_is_listed_with_who_wrote_it_and_whether_it_is_whole(run: Run, saved: Path):
    (saved / "checkpoints" / "step-00000002" / "state.json").write_text("{}")

    rows = json.loads(run("checkpoint", "list", str(saved), "--json").out)

    assert [row["checkpoint"] for row in rows] == [f"step-0000000{step}" for step in (1, 2, 3)]
    assert rows[0]["status"] == rows[2]["status"] == "whole"
    assert rows[1]["status"].startswith("state.json: truncated: 2 of ")
    assert rows[0]["by"].startswith("ganreg ")
    assert "step-00000003" in run("checkpoint", "list", "latest").out


def test_a_run_whose_checkpoints_are_whole_exits_with_0(run: Run, saved: Path):
    ran = run("checkpoint", "verify", str(saved))

    assert ran == (0, "step-00000001: whole\nstep-00000002: whole\nstep-00000003: whole\n", "")
    assert run("checkpoint", "verify", str(saved / "checkpoints" / "step-00000002")).out == "step-00000002: whole\n"


def test_a_damaged_one_exits_with_6_and_its_file(run: Run, saved: Path):
    path = saved / "checkpoints" / "step-00000002" / "generator.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    status, out, err = run("checkpoint", "verify", str(saved))

    assert status == 6
    assert out.splitlines()[1] == "step-00000002: damaged: its sha256 is not the manifest's"
    assert f"at: {path}" in err


def test_a_run_without_checkpoints_is_told(run: Run, tmp_path: Path):
    status, _, err = run("checkpoint", "list", str(tmp_path))

    assert (status, "there is no checkpoint" in err) == (6, True)


def test_a_checkpoint_that_a_run_removes_meanwhile_is_no_damage(run: Run, trained: Path, monkeypatch: pytest.MonkeyPatch):
    there = checkpoint.checkpoints(trained)
    monkeypatch.setattr(checkpoint, "checkpoints", lambda run: [trained / "checkpoints" / "step-00000000", *there])

    listed, verified = run("checkpoint", "list", str(trained)), run("checkpoint", "verify", str(trained))

    assert (listed.status, verified.status) == (0, 0)
    assert "step-00000000" not in listed.out + verified.out
    assert there[0].name in listed.out
