from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ganreg.engine import checkpoint
from ganreg.errors import CheckpointError, StorageError

FILES = {"generator": {"w": torch.arange(6.0).reshape(2, 3), "t": torch.eye(3).T}, "random": {"torch": torch.get_rng_state()}}


def written(tmp_path: Path, step: int = 7) -> Path:
    return checkpoint.save(tmp_path / "checkpoints" / f"step-{step:08d}", FILES, {"step": step})


def test_what_is_written_is_read_back(tmp_path: Path):
    files, values = checkpoint.load(written(tmp_path))

    assert values == {"step": 7}
    for file, tensors in FILES.items():
        for name, tensor in tensors.items():
            assert torch.equal(files[file][name], tensor)


def test_two_saves_of_one_state_have_the_same_bytes(tmp_path: Path):
    first, second = written(tmp_path / "a"), written(tmp_path / "b")

    assert [p.read_bytes() for p in sorted(first.iterdir())] == [p.read_bytes() for p in sorted(second.iterdir())]


def test_a_checkpoint_that_is_there_stays(tmp_path: Path):
    path = written(tmp_path)
    before = (path / "manifest.json").read_bytes()

    checkpoint.save(path, {}, {"step": 8})

    assert (path / "manifest.json").read_bytes() == before


def test_nothing_half_written_has_the_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "_write", fails)
    with pytest.raises(StorageError, match="No space left on device") as told:
        written(tmp_path)

    assert told.value.exit_code == 6
    assert checkpoint.checkpoints(tmp_path) == []


@pytest.mark.parametrize("name", ["generator.safetensors", "random.safetensors", "state.json"])
def test_a_flipped_bit_is_found_and_the_file_named(name: str, tmp_path: Path):
    path = written(tmp_path) / name
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=f"damaged.*\n.*{name}"):
        checkpoint.load(path.parent)


def test_a_truncated_file_is_found_with_both_sizes(tmp_path: Path):
    path = written(tmp_path) / "generator.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:8])

    with pytest.raises(CheckpointError, match=f"truncated: 8 of {len(whole)} bytes"):
        checkpoint.load(path.parent)


def test_a_missing_file_and_a_broken_manifest_are_told(tmp_path: Path):
    path = written(tmp_path)
    (path / "state.json").unlink()
    with pytest.raises(CheckpointError, match="a file is missing"):
        checkpoint.load(path)
    (path / "manifest.json").write_text("{")
    with pytest.raises(CheckpointError, match="the manifest cannot be read"):
        checkpoint.load(path)


def test_a_newer_format_is_refused(tmp_path: Path):
    path = written(tmp_path) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))

    with pytest.raises(CheckpointError, match="has format 99, this ganreg reads 1"):
        checkpoint.load(path.parent)


def test_a_manifest_cannot_reach_outside_its_directory(tmp_path: Path):
    path = written(tmp_path)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"]["../../secret.json"] = manifest["files"]["state.json"]
    (path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "secret.json").write_bytes((path / "state.json").read_bytes())

    with pytest.raises(CheckpointError, match="a file is missing"):
        checkpoint.load(path)


def test_the_newest_few_stay(tmp_path: Path):
    for step in (5, 10, 15, 20):
        written(tmp_path, step)

    checkpoint.rotate(tmp_path, 2)

    assert [path.name for path in checkpoint.checkpoints(tmp_path)] == ["step-00000015", "step-00000020"]
    assert checkpoint.latest(tmp_path).name == "step-00000020"


def test_a_run_without_a_checkpoint_is_told(tmp_path: Path):
    with pytest.raises(CheckpointError, match="the run has no checkpoint"):
        checkpoint.latest(tmp_path)
