"""Which measurement is the best, and the file that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganreg.engine import best
from ganreg.errors import CheckpointError


def measured(step: int = 1, *, protocol: Any = "p", **values: float | None) -> dict[str, Any]:
    directions = {"fd": False, "modes": True, "share": True}
    told = {"step": step, "metric": "m", "values": values, "protocol": {"n": protocol}}
    return {**told, "higher_is_better": {name: directions[name] for name in values}}


def test_better_is_lower_or_higher_as_the_metric_says():
    assert best.is_better(measured(fd=1.0), measured(fd=2.0))
    assert not best.is_better(measured(fd=2.0), measured(fd=2.0))
    assert best.is_better(measured(modes=3.0), measured(modes=2.0))


def test_a_second_number_decides_where_the_first_are_equal():
    assert best.is_better(measured(modes=25.0, share=0.9), measured(modes=25.0, share=0.8))
    assert not best.is_better(measured(modes=24.0, share=1.0), measured(modes=25.0, share=0.1))


def test_no_value_is_never_the_best_and_an_unlike_protocol_begins_anew():
    assert not best.is_better(measured(fd=None), None)
    assert best.is_better(measured(fd=9.0), None)
    assert best.is_better(measured(fd=9.0, protocol="other"), measured(fd=1.0))


def test_what_is_written_is_read_and_what_is_no_such_file_is_nothing(tmp_path: Path):
    (tmp_path / "checkpoints").mkdir()
    best.write(tmp_path, measured(7, fd=1.0))

    assert best.told(tmp_path) == measured(7, fd=1.0)
    (tmp_path / "checkpoints" / "best.json").write_text("[]")
    assert best.told(tmp_path) is None


def test_a_run_without_a_best_and_a_best_that_is_gone_are_told(tmp_path: Path):
    with pytest.raises(CheckpointError, match="the run has no best checkpoint"):
        best.path_of(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    best.write(tmp_path, measured(7, fd=1.0))
    with pytest.raises(CheckpointError, match="the best checkpoint, of step 7, is gone"):
        best.path_of(tmp_path)
    (tmp_path / "checkpoints" / "step-00000007").mkdir()
    assert best.path_of(tmp_path).name == "step-00000007"
