"""Both loops train the same networks, and what is told of them is complete."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ganreg.bench import CASES, step
from ganreg.contracts import DataSpec
from ganreg.errors import DeviceError

pytestmark = pytest.mark.filterwarnings("ignore:An input array is constant")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that take milliseconds."""
    monkeypatch.setitem(CASES, "mlp-784-b64", ("mlp", 4))
    monkeypatch.setitem(step.SPECS, "mlp", DataSpec((1, 4, 4), value_range=(-1.0, 1.0)))
    monkeypatch.setattr(step, "SAMPLES", 16)


@pytest.mark.usefixtures("small")
def test_a_step_of_each_contender_moves_both_of_its_networks():
    steps = step.make("mlp-784-b64", "cpu", {"precision": "fp32"})
    assert set(steps) == {"ganreg", "tutorial", "bare"}

    for name in ("tutorial", "bare"):
        first, second = steps[name](), steps[name]()
        assert len(first) == 5  # both losses, D(x), D(G(z)) twice: what is read at each step
        assert first != second
        assert all(isinstance(value, float) for value in first)
    assert steps["ganreg"]() == "done"


@pytest.mark.usefixtures("small")
def test_the_tutorials_loss_is_that_of_ours_at_the_start():
    torch.manual_seed(0)
    loss_d, loss_g, d_x, *_ = step.make("mlp-784-b64", "cpu", {})["tutorial"]()

    assert loss_d == pytest.approx(1.386, abs=0.4)
    assert loss_g == pytest.approx(0.693, abs=0.3)
    assert 0.2 < d_x < 0.8


@pytest.mark.usefixtures("small")
def test_what_is_told_is_plain_and_complete():
    told = step.measure(cases=["mlp-784-b64"], rounds=5, options={"precision": "fp32"})

    assert json.loads(json.dumps(told)) == told
    (row,) = told["rows"]
    assert row["contenders"].keys() == {"ganreg", "tutorial", "bare"}
    assert row["ratios"].keys() == {"tutorial / ganreg", "bare / ganreg"}
    assert all(len(one["seconds"]) == 5 for one in row["contenders"].values())
    words = ["ganreg", "bench", "step", "--device", "cpu", "--case", "mlp-784-b64", "--rounds", "5", "--precision", "fp32"]
    assert told["command"][-len(words) :] == words


@pytest.mark.usefixtures("small")
def test_a_profile_names_the_dearest_operators_and_the_host_syncs(tmp_path: Path):
    rows = step.profile("mlp-784-b64", "cpu", {}, tmp_path / "trace.json")

    assert len(rows) == step.DEAREST + 1
    assert rows[-1][0] == "host syncs"
    assert all(ms > 0 and calls > 0 for _, ms, calls in rows[:-1])
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


def test_a_card_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(DeviceError, match="torch sees no CUDA device"):
        step.measure(device="cuda", rounds=5)
