"""`ganreg bench loss`: what it measures is told, written and drawn; what is wrong is said before minutes are spent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.bench.results import measured

from .conftest import Run

TINY = ("--sizes", "3", "--rounds", "5")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict:
    """Nothing is measured: the figures are known."""
    told = measured()
    monkeypatch.setattr("ganreg.bench.loss.measure", lambda tell, **settings: told | {"settings": settings})
    return told


def test_a_real_measurement_is_told_written_and_drawn(run: Run, monkeypatch: pytest.MonkeyPatch):
    def refused(*args: object, **settings: object) -> None:
        raise RuntimeError("no compiler today")

    monkeypatch.setattr(torch, "compile", refused)
    status, out, err = run("bench", "loss", *TINY, "--json", "loss.json", "--plot", "loss.svg")

    assert status == 0, err
    assert err.startswith("float32, 3 logits\n")
    assert "reference kernel (GANREG_KERNEL=reference)" in out
    assert [line.split()[2] for line in out.splitlines() if line.startswith("float32")] == [
        "fused",
        "in",
        "eager",
        "copy",
        "compiled",
    ]
    assert "compiled: not run: RuntimeError: no compiler today" in out
    assert json.loads(Path("loss.json").read_text())["rows"][0]["num_logits"] == 3
    assert Path("loss.svg").read_text().startswith("<svg")


@pytest.mark.usefixtures("known")
def test_the_table_has_medians_ratios_with_their_spread_and_the_share_of_a_copy(run: Run):
    rows = {tuple(line.split()[1:3]): " ".join(line.split()) for line in run("bench", "loss").out.splitlines()}

    assert rows["64", "fused"] == "float32 64 fused 6.40 µs 6.00x (5.40–6.60) 2.00x (1.80–2.20) 25% 0.1"
    assert rows["4096", "in"] == "float32 4096 in place 205 µs 12.00x (10.80–13.20) 4.00x (3.60–4.40) 50% 0.2"
    assert rows["16777216", "eager"] == "float32 16777216 eager 10.1 s 0.0"


def test_json_on_stdout_is_all_there_is_on_stdout(run: Run, known: dict):
    told = json.loads(run("bench", "loss", "--json", "-", "--dtype", "float16", "--dtype", "float64", *TINY).out)

    settings = told.pop("settings")
    assert told == known
    assert settings["dtypes"] == ["float16", "float64"]
    assert settings["sizes"] == [3]


def test_a_busy_machine_is_told(run: Run, known: dict):
    assert "busy" not in run("bench", "loss").err
    known["machine"]["load"] = 1.5

    assert "the machine was busy (load 1.5)" in run("bench", "loss").err


def test_a_card_that_is_not_there(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    status, out, err = run("bench", "loss", "--device", "cuda")

    assert (status, out) == (2, "")
    assert err == ("error[GR107]: torch sees no CUDA device\n  at: --device cuda\n  fix: ganreg bench loss --device cpu\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rounds", "4"], "4 is not in the range x>=5"),
        (["--sizes", "0"], "0 is not in the range 1<=x<=2147483648"),
        (["--dtype", "int8"], "'int8' is not one of 'float32'"),
        (["--json", "nowhere/loss.json"], "there is no folder 'nowhere'"),
        (["--plot", "nowhere/loss.svg"], "there is no folder 'nowhere'"),
        (["--json", "."], "'.' is a folder"),
        (["--plot", "-"], "expected a file that ends in .svg, got '-'"),
        (["--plot", "loss.png"], "expected a file that ends in .svg, got 'loss.png'"),
        (["--sizes", "9999999999999"], "9999999999999 is not in the range 1<=x<=2147483648"),
    ],
)
def test_what_cannot_be_measured_or_written_is_refused_first(
    words: list[str], told: str, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ganreg.bench.loss.measure", pytest.fail)
    status, _, err = run("bench", "loss", *words)

    assert status == 2
    assert err.startswith("error[GR100]: ")
    assert told in err
    assert "\n  at: " in err
    assert "\n  fix: " in err


@pytest.mark.usefixtures("known")
def test_a_file_that_cannot_be_written_is_told_in_three_lines(run: Run):
    Path("loss.json").symlink_to("loss.json")
    status, _, err = run("bench", "loss", "--json", "loss.json")

    assert status == 6
    assert err.startswith("error[GR501]: 'loss.json' cannot be written: Too many levels of symbolic links\n  at: --json\n")


@pytest.mark.parametrize(
    ("seconds", "told"), [(1.0, "1.00 s"), (0.0123, "12.3 ms"), (4.5e-4, "450 µs"), (9.996e-7, "1000 ns"), (2e-10, "0.20 ns")]
)
def test_seconds_have_three_digits_and_a_fitting_unit(seconds: float, told: str):
    from ganreg.cli.bench import _seconds

    assert _seconds(seconds) == told


def test_help_of_the_group_lists_its_verbs(run: Run):
    assert "loss  Time the fused loss beside torch's eager and compiled ones." in run("bench", "--help").out
