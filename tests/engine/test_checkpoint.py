"""A checkpoint is whole or found out: flipped bits, cut files, kills and failing disks at every step of a save."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import random
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as packed

from ganreg.engine import checkpoint, durable
from ganreg.errors import CheckpointError, StorageError

FILES = {"generator": {"w": torch.arange(6.0).reshape(2, 3), "t": torch.eye(3).T}, "random": {"torch": torch.get_rng_state()}}
NAMES = ("generator.safetensors", "random.safetensors", "state.json", "manifest.json")


@pytest.fixture(autouse=True)
def run_dir(tmp_path: Path) -> Path:
    durable._passed.clear()
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def written(run_dir: Path, step: int = 7) -> Path:
    return checkpoint.save(run_dir / "checkpoints" / f"step-{step:08d}", FILES, {"step": step}, {"seed": 3})


def contents(path: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in sorted(path.iterdir())}


def rewritten(path: Path, change: Callable[[dict], object]) -> None:
    """The manifest after a change, in the form and with the digest that we would give it."""
    told = json.loads((path / "manifest.json").read_text())
    del told["digest"]
    change(told)
    (path / "manifest.json").write_bytes(checkpoint._manifest_of(told))


def test_what_is_written_is_read_back(run_dir: Path):
    files, values = checkpoint.load(written(run_dir))

    assert values == {"step": 7}
    for file, tensors in FILES.items():
        for name, tensor in tensors.items():
            assert torch.equal(files[file][name], tensor)


def test_a_manifest_tells_what_was_written_and_by_whom(run_dir: Path):
    path = written(run_dir)

    told = checkpoint.manifest(path)

    assert (told["format"], told["step"], told["seed"]) == (2, 7, 3)
    assert told["files"] == {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in contents(path).items()
        if name != "manifest.json"
    }
    assert (run_dir / "checkpoints" / "latest").read_text() == "step-00000007\n"


def test_two_saves_of_one_state_have_the_same_bytes(tmp_path: Path):
    for name in "ab":
        (tmp_path / name).mkdir()

    assert contents(written(tmp_path / "a")) == contents(written(tmp_path / "b"))


def test_a_whole_checkpoint_stays_and_a_damaged_one_is_moved_aside(run_dir: Path):
    path = written(run_dir)
    before = contents(path)
    checkpoint.save(path, {}, {"step": 7})
    assert contents(path) == before

    (path / "state.json").write_text("{}")
    written(run_dir)

    assert contents(path) == before
    assert [one.name for one in (run_dir / "checkpoints").glob(".damaged*")] == [".damaged-step-00000007-1"]
    assert checkpoint.checkpoints(run_dir) == [path]


# --- damage -----------------------------------------------------------------------------------------------------------


def test_every_one_of_1000_flipped_bits_is_found_and_the_older_checkpoint_used(run_dir: Path):
    older, path = written(run_dir, 7), written(run_dir, 8)
    dice = random.Random(0)
    sizes = [(path / name).stat().st_size for name in NAMES]

    for _ in range(1000):
        name = dice.choices(NAMES, sizes)[0]
        content = bytearray((path / name).read_bytes())
        place = dice.randrange(len(content))
        content[place] ^= 1 << dice.randrange(8)
        whole = (path / name).read_bytes()
        (path / name).write_bytes(content)
        with pytest.warns(UserWarning, match=f"step-00000008/{name}.*going on from step-00000007"):
            found, _ = checkpoint.newest(run_dir)
        assert found == older
        (path / name).write_bytes(whole)

    assert checkpoint.newest(run_dir)[0] == path


@pytest.mark.parametrize("name", NAMES)
def test_a_file_cut_anywhere_is_found(name: str, run_dir: Path):
    path = written(run_dir)
    whole = (path / name).read_bytes()

    for length in sorted({0, 1, 8, 100, *range(0, len(whole), 4096), len(whole) - 1} & set(range(len(whole)))):
        (path / name).write_bytes(whole[:length])
        what = "" if name == "manifest.json" else f"truncated: {length} of {len(whole)} bytes\n.*"
        with pytest.raises(CheckpointError, match=f"(?s){what}.*{name}"):
            checkpoint.load(path)


def test_what_is_too_long_missing_or_no_file_is_told(run_dir: Path):
    path = written(run_dir)
    state = path / "state.json"
    whole = state.read_bytes()

    state.write_bytes(whole + b" ")
    with pytest.raises(CheckpointError, match=f"too long: {len(whole) + 1} of {len(whole)} bytes"):
        checkpoint.load(path)
    state.unlink()
    with pytest.raises(CheckpointError, match="the file is missing"):
        checkpoint.load(path)
    os.mkfifo(state)  # would wait for ever for a writer
    with pytest.raises(CheckpointError, match="it is no plain file"):
        checkpoint.load(path)


def test_a_file_of_another_step_is_found(run_dir: Path):
    first, second = written(run_dir, 7), written(run_dir, 8)
    (second / "state.json").write_bytes((first / "state.json").read_bytes())

    with pytest.raises(CheckpointError, match="damaged: its sha256 is not the manifest's"):
        checkpoint.load(second)


def test_without_a_whole_checkpoint_the_newest_s_damage_is_told(run_dir: Path):
    for step in (7, 8):
        (written(run_dir, step) / "state.json").write_text("{}")

    with pytest.raises(CheckpointError, match=r"(?s)truncated: 2 of \d+ bytes.*step-00000008"):
        checkpoint.newest(run_dir)


def test_the_file_latest_is_not_relied_on(run_dir: Path):
    path = written(run_dir)
    (run_dir / "checkpoints" / "latest").write_text("step-99999999\n")
    os.utime(written(run_dir, 6), (2**31, 2**31))  # a clock that jumped

    assert checkpoint.newest(run_dir)[0] == path


# --- manifests and files that someone wrote on purpose ----------------------------------------------------------------


def test_a_newer_format_is_refused_and_the_first_is_still_read(run_dir: Path):
    path = written(run_dir)
    rewritten(path, lambda told: told.update(format=99))
    with pytest.raises(CheckpointError, match="has format 99, this ganreg reads 2"):
        checkpoint.load(path)

    told = json.loads((path / "manifest.json").read_text())
    files = {name: {"sha256": entry["sha256"], "bytes": entry["size"]} for name, entry in told["files"].items()}
    (path / "manifest.json").write_text(json.dumps({"format": 1, "step": 7, "files": files}))
    assert checkpoint.load(path)[1] == {"step": 7}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"format": true}', '{"format": 2}', '{"format": 2, "files": {}}', "[" * 100_000, "\0" * 50],
    ids=lambda text: repr(text[:12]),
)
def test_a_manifest_that_is_none_is_refused(text: str, run_dir: Path):
    path = written(run_dir)
    (path / "manifest.json").write_text(text)

    with pytest.raises(CheckpointError, match=r"manifest\.json"):
        checkpoint.load(path)


@pytest.mark.parametrize("name", ["../../secret.json", "/etc/passwd.json", ".hidden.json", "a/b.json", "a.pkl", "", "x\0.json"])
def test_a_manifest_cannot_reach_outside_its_directory(name: str, run_dir: Path):
    path = written(run_dir)
    rewritten(path, lambda told: told["files"].update({name: told["files"]["state.json"]}))

    with pytest.raises(CheckpointError, match="does not list files by plain names"):
        checkpoint.load(path)


ATTACKS = {
    "a pickle": pickle.dumps({"w": 1}),
    "nothing": b"",
    "a table of 2^63 bytes": (2**63).to_bytes(8, "little") + b"{}",
    "a table longer than the file": (1000).to_bytes(8, "little") + b"{}",
    "a table that is no JSON": (4).to_bytes(8, "little") + b"nope",
    "negative places": b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}',
    "overlapping tensors": (
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}'
    ),
    "a gap": b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
    "a shape that overflows": b'{"w":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,4]}}',
    "an unknown dtype": b'{"w":{"dtype":"X9","shape":[1],"data_offsets":[0,4]}}',
    "deep brackets": b"[" * 200_000,
}


@pytest.mark.parametrize("case", ATTACKS)
def test_a_crafted_tensor_file_is_refused(case: str, run_dir: Path):
    content = ATTACKS[case]
    if content[:1] in b"{[" and content:
        content = len(content).to_bytes(8, "little") + content + b"\0" * 8
    path = written(run_dir)
    (path / "generator.safetensors").write_bytes(content)
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    rewritten(path, lambda told: told["files"].update({"generator.safetensors": entry}))

    began = time.monotonic()
    with pytest.raises(CheckpointError, match=r"generator\.safetensors"):
        checkpoint.load(path)
    assert time.monotonic() - began < 5


def test_a_million_names_are_refused_unread(run_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoint, "MOST_HEADER", 1000)
    path = written(run_dir)
    content = packed({f"{number:040}": torch.zeros(1) for number in range(100)})
    (path / "generator.safetensors").write_bytes(content)
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    rewritten(path, lambda told: told["files"].update({"generator.safetensors": entry}))

    with pytest.raises(CheckpointError, match="its table is longer than 1,000 bytes"):
        checkpoint.load(path)


# --- rotation ---------------------------------------------------------------------------------------------------------


def test_the_newest_few_stay(run_dir: Path):
    paths = [written(run_dir, step) for step in (5, 10, 15, 20, 100_000_000)]
    paths[0].with_name("step-0000000020").mkdir()  # a name that no checkpoint has

    checkpoint.rotate(paths[-1], 2)

    assert [path.name for path in checkpoint.checkpoints(run_dir)] == ["step-00000020", "step-100000000"]


def test_nothing_is_removed_while_the_newest_is_damaged(run_dir: Path):
    paths = [written(run_dir, step) for step in (5, 10, 15)]
    (paths[-1] / "state.json").write_text("{}")

    with pytest.raises(CheckpointError):
        checkpoint.rotate(paths[-1], 1)

    assert checkpoint.checkpoints(run_dir) == paths


def test_a_damaged_one_that_was_passed_over_neither_stops_the_next_nor_takes_its_place(run_dir: Path):
    paths = [written(run_dir, step) for step in (5, 10, 15)]
    (paths[-1] / "state.json").write_text("{}")
    paths.insert(2, written(run_dir, 12))

    checkpoint.rotate(paths[2], 1)

    assert checkpoint.checkpoints(run_dir) == paths[2:]


def test_left_overs_are_swept(run_dir: Path):
    path = written(run_dir)
    for name in (".step-00000008.part", ".step-00000001.gone"):
        (run_dir / "checkpoints" / name).mkdir()
        (run_dir / "checkpoints" / name / "state.json").write_text("{}")
    (run_dir / "checkpoints" / ".latest.part").write_text("")

    checkpoint.sweep(run_dir)

    assert sorted(one.name for one in (run_dir / "checkpoints").iterdir()) == ["latest", path.name]


def test_a_run_without_a_checkpoint_is_told(run_dir: Path):
    with pytest.raises(CheckpointError, match="the run has no checkpoint"):
        checkpoint.newest(run_dir)


# --- a disk that fails, a process that dies ---------------------------------------------------------------------------

STEPS_OF_A_SAVE = [
    *(f"{point}.{number}" for point in ("open", "write", "fsync") for number in range(1, 6)),
    *("fsync_directory.1", "fsync_directory.2", "fsync_directory.3", "rename", "after_rename", "latest"),
]


@pytest.mark.parametrize("number", ["ENOSPC", "EIO", "EDQUOT", "EROFS"])
@pytest.mark.parametrize("point", STEPS_OF_A_SAVE)
def test_a_disk_that_fails_harms_no_older_checkpoint(point: str, number: str, run_dir: Path, monkeypatch: pytest.MonkeyPatch):
    older = written(run_dir, 7)
    before = contents(older)
    durable._passed.clear()
    monkeypatch.setenv("GANREG_FAIL", f"{point}:{number}")

    with pytest.raises(StorageError) as told:
        written(run_dir, 8)

    assert told.value.exit_code == 6
    assert os.strerror(getattr(errno, number)) in told.value.what
    assert (" are free" in told.value.what) == (number in ("ENOSPC", "EDQUOT"))
    assert str(run_dir / "checkpoints" / "step-00000008") in told.value.at
    assert contents(older) == before
    monkeypatch.delenv("GANREG_FAIL")
    assert all(checkpoint.is_whole(path) for path in checkpoint.checkpoints(run_dir))
    checkpoint.sweep(run_dir)
    assert checkpoint.is_whole(written(run_dir, 8))


def test_a_run_directory_that_is_gone_stays_gone(run_dir: Path):
    run_dir.rmdir()

    with pytest.raises(StorageError, match="No such file or directory"):
        written(run_dir)

    assert not run_dir.exists()


def in_a_child(work: Callable[[Callable[[int], None]], None]) -> tuple[int, int]:
    """Fork; the child works and tells steps -> its process id, a pipe with what it tells."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    try:
        work(lambda step: os.write(write, step.to_bytes(4, "little")))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def told_by(pipe: int) -> Iterator[int]:
    with os.fdopen(pipe, "rb") as lines:
        while word := lines.read(4):
            yield int.from_bytes(word, "little")


def many(count: int, tell: Callable[[int], None], run_dir: Path, path: str, first: int) -> None:
    """Save in a hot loop."""
    tensors = {"generator": {"w": torch.full((50_000,), float(first))}}
    for step in range(first, first + count):
        checkpoint.save(run_dir / "checkpoints" / f"step-{step:08d}", tensors, {"step": step})
        if path == "rotation":
            checkpoint.rotate(run_dir / "checkpoints" / f"step-{step:08d}", 2)
        tell(step)


@pytest.mark.parametrize("path", ["new steps", "rotation"])
@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.nightly)])
@pytest.mark.timeout(300)
def test_no_kill_loses_a_checkpoint(path: str, kills: int, run_dir: Path):
    dice, newest = random.Random(kills), 0
    for number in range(kills):
        first = newest + 1
        child, pipe = in_a_child(lambda tell, first=first: many(1000, tell, run_dir, path, first))
        time.sleep(dice.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        told = max(told_by(pipe), default=newest)

        found = checkpoint.checkpoints(run_dir)
        assert all(checkpoint.is_whole(one) for one in found), number
        newest = checkpoint.manifest(found[-1])["step"] if found else 0
        assert newest >= told, number  # what was said to be saved is there
        if path == "rotation" and newest > 2:
            assert len(found) >= 2
        checkpoint.sweep(run_dir)
        assert not list((run_dir / "checkpoints").glob(".*"))


@pytest.mark.parametrize("point", [*STEPS_OF_A_SAVE, "rotate"])
def test_a_kill_at_each_step_of_a_save_leaves_whole_checkpoints(point: str, run_dir: Path, monkeypatch: pytest.MonkeyPatch):
    older = [written(run_dir, step) for step in (5, 6, 7)]
    durable._passed.clear()
    monkeypatch.setenv("GANREG_FAIL", f"{point}:kill")

    def save(tell: Callable[[int], None]) -> None:
        checkpoint.rotate(written(run_dir, 8), 3)
        tell(8)

    child, pipe = in_a_child(save)
    status = os.waitpid(child, 0)[1]

    assert os.WTERMSIG(status) == signal.SIGKILL
    assert list(told_by(pipe)) == []
    found = checkpoint.checkpoints(run_dir)
    assert set(older) <= set(found)
    assert all(checkpoint.is_whole(path) for path in found)


def test_nothing_has_its_name_before_it_has_reached_the_disk(run_dir: Path, monkeypatch: pytest.MonkeyPatch):
    """What a power loss at any moment asks for: the order of the system calls."""
    calls: list[tuple[str, str]] = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def told(path: object) -> str:
        return os.path.relpath(str(path), run_dir.parent)

    def synced(handle: int) -> None:
        fsync(handle)
        calls.append(("fsync", told(Path(f"/proc/self/fd/{handle}").readlink())))

    def renamed(call: Callable[..., None]) -> Callable[..., None]:
        def run(old: object, new: object, **rest: object) -> None:
            call(old, new, **rest)
            calls.append((told(old), told(new)))

        return run

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed(rename))
    monkeypatch.setattr(os, "replace", renamed(replace))
    path = written(run_dir)

    place = "run/checkpoints"
    beside, final = f"{place}/.step-00000007.part", f"{place}/step-00000007"
    assert set(contents(path)) == set(NAMES)
    assert calls == [
        *(("fsync", "run"), ("fsync", ".")),  # that there are checkpoints, and a run
        *(("fsync", f"{beside}/{name}") for name in NAMES),
        ("fsync", beside),
        (beside, final),
        ("fsync", place),
        *(("fsync", f"{place}/.latest.part"), (f"{place}/.latest.part", f"{place}/latest"), ("fsync", place)),
    ]
