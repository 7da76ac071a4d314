"""The real package, offline: what it wrote is read back from its own file."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganreg.components.trackers.wandb import WeightsAndBiases
from ganreg.errors import UsageError

BLOCK, WHOLE, LAST = 32768, 1, 4


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    for place in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "HOME"):
        monkeypatch.setenv(place, str(tmp_path / "home"))


def records(run_dir: Path) -> Iterator[Any]:
    """Of every session, in order, once the process that writes them has ended."""
    import wandb
    from wandb.proto import wandb_internal_pb2

    wandb.teardown()
    for file in sorted(run_dir.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime_ns):
        for data in messages(file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            yield record


def messages(file: bytes) -> Iterator[bytes]:
    """Of a log in LevelDB's format: 7 bytes before all, then blocks of records, each with checksum, length and kind."""
    at, message = 7, b""
    while at + 7 <= len(file):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
        _, length, kind = struct.unpack("<IHB", file[at : at + 7])
        message += file[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (WHOLE, LAST):
            yield message
            message = b""


def rows(run_dir: Path) -> list[dict[str, Any]]:
    found = []
    for record in records(run_dir):
        if record.WhichOneof("record_type") == "history":
            items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            found.append({key: value for key, value in items.items() if not key.startswith("_")})
    return found


def write(run_dir: Path, *values: tuple[int, float], status: str = "done", **settings: Any) -> None:
    tracker = WeightsAndBiases(run_dir, **settings)
    tracker.start({"loss": {"name": "bce"}, "steps": 2})
    for step, value in values:
        tracker.scalars(step, {"loss_d": value})
    tracker.finish(status)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    pytest.importorskip("wandb", reason="ganreg[wandb]")
    return tmp_path / "runs" / "0007"


def test_values_come_with_their_step_and_a_step_may_come_again(run_dir: Path):
    write(run_dir, (1, 1.0), (2, 2.0), (1, 1.5))

    assert rows(run_dir) == [{"loss_d": 1.0, "step": 1}, {"loss_d": 2.0, "step": 2}, {"loss_d": 1.5, "step": 1}]


def test_the_run_has_the_directory_s_name_and_the_configuration(run_dir: Path):
    write(run_dir, (1, 1.0), project="faces")
    run = next(one.run for one in records(run_dir) if one.WhichOneof("record_type") == "run")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}

    assert (run.project, run.display_name) == ("faces", "0007")
    assert (config["loss"], config["steps"]) == ({"name": "bce"}, 2)


def test_a_run_that_goes_on_is_the_same_run(run_dir: Path):
    write(run_dir, (1, 1.0))
    write(run_dir, (2, 2.0))
    ids = {one.run.run_id for one in records(run_dir) if one.WhichOneof("record_type") == "run"}

    assert ids == {(run_dir / "wandb-id.txt").read_text()}
    assert len(list(run_dir.glob("wandb/offline-run-*"))) == 2


def test_a_picture_is_kept_as_it_was(run_dir: Path):
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(1, 4, 6, 3)
    tracker = WeightsAndBiases(run_dir)
    tracker.start({})
    tracker.images(3, "samples", pixels)
    tracker.finish("failed")
    (file,) = run_dir.glob("wandb/offline-run-*/files/media/images/samples_*.png")

    assert np.array_equal(np.asarray(Image.open(file)), pixels[0])
    assert tracker.where.startswith("wandb sync ")


def test_no_key_is_stored(run_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_API_KEY", "f" * 40)
    write(run_dir, (1, 1.0))

    assert not [path for path in run_dir.rglob("*") if path.is_file() and b"f" * 40 in path.read_bytes()]


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganreg.extras.find_spec", lambda name: None)

    with pytest.raises(UsageError, match="tracker wandb needs wandb, which is not installed") as raised:
        WeightsAndBiases(tmp_path)
    assert raised.value.fix == "pip install 'ganreg[wandb]'"
