"""Event files, read back by TensorBoard's own reader."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganreg.components.trackers.tensorboard import TensorBoard
from ganreg.errors import UsageError

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="ganreg[tensorboard]")


def read(run_dir: Path) -> accumulator.EventAccumulator:
    found = accumulator.EventAccumulator(str(run_dir / "tensorboard"), size_guidance={"images": 0, "scalars": 0})
    return found.Reload()


def told(run_dir: Path, name: str) -> list[tuple[int, float]]:
    return [(event.step, round(event.value, 3)) for event in read(run_dir).Scalars(name)]


def write(run_dir: Path, *values: tuple[int, float]) -> None:
    tracker = TensorBoard(run_dir)
    tracker.start({"loss": {"name": "bce"}})
    for step, value in values:
        tracker.scalars(step, {"loss_d": value})
    tracker.finish("done")


def test_a_value_is_a_point_of_its_curve(tmp_path: Path):
    write(tmp_path, (50, 1.5), (100, 1.25))

    assert told(tmp_path, "loss_d") == [(50, 1.5), (100, 1.25)]


def test_a_picture_arrives_as_it_was(tmp_path: Path):
    pixels = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    tracker = TensorBoard(tmp_path)
    tracker.start({})
    tracker.images(7, "samples", pixels[:1])
    tracker.images(7, "grey", pixels[:1, :, :, :1])
    tracker.finish("done")
    (colour,), (grey,) = (read(tmp_path).Images(name) for name in ("samples", "grey"))

    assert (colour.step, colour.width, colour.height) == (7, 6, 4)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(colour.encoded_image_string))), pixels[0])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(grey.encoded_image_string)))[..., 0], pixels[0, :, :, 0])


def test_the_configuration_is_its_yaml(tmp_path: Path):
    write(tmp_path, (1, 0.5))
    (event,) = read(tmp_path).Tensors("config/text_summary")

    assert event.tensor_proto.string_val[0].decode() == "```yaml\nloss:\n  name: bce\n\n```"


def test_a_run_that_goes_on_takes_back_what_came_after_its_checkpoint(tmp_path: Path):
    write(tmp_path, (1, 1.0), (2, 2.0), (3, 3.0))
    write(tmp_path, (3, 3.5), (4, 4.5))

    assert told(tmp_path, "loss_d") == [(1, 1.0), (2, 2.0), (3, 3.5), (4, 4.5)]


def test_a_rollback_takes_back_what_came_after(tmp_path: Path):
    write(tmp_path, (1, 1.0), (2, 2.0), (3, 3.0), (2, 2.5), (3, 3.5))

    assert told(tmp_path, "loss_d") == [(1, 1.0), (2, 2.5), (3, 3.5)]


def test_files_of_one_second_keep_their_order_when_their_numbers_gain_a_digit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    event_file_writer = pytest.importorskip("tensorboard.summary.writer.event_file_writer", reason="ganreg[tensorboard]")
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(9))

    write(tmp_path, (1, 1.0), (2, 2.0), (2, 2.25), (1, 1.5), (2, 2.5))

    assert told(tmp_path, "loss_d") == [(1, 1.5), (2, 2.5)]


def test_it_says_how_it_is_looked_at_and_writes_nothing_before_the_first_value(tmp_path: Path):
    tracker = TensorBoard(tmp_path)
    tracker.start({})

    assert tracker.where == f"tensorboard --logdir {tmp_path / 'tensorboard'}"
    assert list(tmp_path.iterdir()) == []
    tracker.finish("done")


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganreg.extras.find_spec", lambda name: None)

    with pytest.raises(UsageError, match="tracker tensorboard needs tensorboard, which is not installed") as raised:
        TensorBoard(tmp_path)
    assert raised.value.fix == "pip install 'ganreg[tensorboard]'"
