"""Whatever lies in a checkpoint, loading it is an answer or one of our errors: nothing runs, nothing is written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import strategies as st

from ganreg.engine import checkpoint
from ganreg.errors import CheckpointError
from tests.fuzzing import EXAMPLES, fuzzed

FILES = {"generator": {"w": torch.arange(6.0).reshape(2, 3)}, "random": {"torch": torch.zeros(8, dtype=torch.uint8)}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
manifests = json_values | st.fixed_dictionaries(
    {"format": st.integers(-1, 4) | json_values, "step": json_values, "files": json_values},
    optional={"digest": json_values},
)
headers = st.dictionaries(
    st.text(max_size=12),
    st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(["F32", "F64", "I64", "BF16", "U8", "X9"]) | json_values,
            "shape": st.lists(st.integers(-2, 2**65), max_size=4) | json_values,
            "data_offsets": st.lists(st.integers(-8, 2**65), min_size=1, max_size=3) | json_values,
        }
    )
    | json_values,
    max_size=4,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("hostile")
    return checkpoint.save(run / "checkpoints" / "step-00000001", FILES, {"step": 1})


def loads_or_refuses(path: Path) -> None:
    with contextlib.suppress(CheckpointError):
        checkpoint.load(path)


@pytest.mark.parametrize("count", EXAMPLES)
def test_any_manifest_is_read_or_refused(count: int, path: Path):
    file = path / "manifest.json"
    whole = file.read_bytes()

    def check(told: Any) -> None:
        file.write_text(json.dumps(told))
        loads_or_refuses(path)
        if isinstance(told, dict):  # with a digest of its own, as someone who knows the form would write it
            file.write_bytes(checkpoint._manifest_of({key: value for key, value in told.items() if key != "digest"}))
            loads_or_refuses(path)

    try:
        fuzzed(count, manifests, check)
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("count", EXAMPLES)
def test_any_bytes_for_a_manifest_are_read_or_refused(count: int, path: Path):
    file = path / "manifest.json"
    whole = file.read_bytes()

    def check(content: bytes) -> None:
        file.write_bytes(content)
        loads_or_refuses(path)

    try:
        fuzzed(count, st.binary(max_size=300), check)
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("count", EXAMPLES)
def test_any_table_of_tensors_is_read_or_refused(count: int, path: Path):
    names = ("manifest.json", "generator.safetensors")
    whole = {name: (path / name).read_bytes() for name in names}
    told = json.loads(whole["manifest.json"])
    del told["digest"]

    def check(given: tuple[Any, bytes]) -> None:
        table, rest = given
        text = json.dumps(table).encode()
        content = len(text).to_bytes(8, "little") + text + rest
        (path / "generator.safetensors").write_bytes(content)
        told["files"]["generator.safetensors"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        (path / "manifest.json").write_bytes(checkpoint._manifest_of(told))
        loads_or_refuses(path)

    try:
        fuzzed(count, st.tuples(headers | json_values, st.binary(max_size=40)), check)
    finally:
        for name, content in whole.items():
            (path / name).write_bytes(content)


LISTENER = """
import hashlib, json, pickle, random, sys, warnings
from pathlib import Path
import torch
from ganreg.engine import checkpoint
from ganreg.errors import CheckpointError

path, outside = Path(sys.argv[1]), Path(sys.argv[2])
torch.load = None  # since it says nothing to listeners
told = json.loads((path / "manifest.json").read_text())
del told["digest"]
whole = {one.name: one.read_bytes() for one in path.iterdir()}
dice = random.Random(0)


class Payload:
    def __reduce__(self):
        return open, (str(outside), "w")


def damaged(content):
    content = bytearray(content)
    for _ in range(dice.randrange(1, 9)):
        kind, place = dice.randrange(3), dice.randrange(max(1, len(content)))
        if kind == 0:
            content[place : place + 1] = bytes([dice.randrange(256)])
        elif kind == 1:
            del content[place : place + dice.randrange(1, 30)]
        else:
            content[place:place] = dice.randbytes(dice.randrange(1, 30))
    return bytes(content)


def put(name, content):
    (path / name).write_bytes(content)
    files = {**told["files"], name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}}
    (path / "manifest.json").write_bytes(checkpoint._manifest_of({**told, "files": files}))


def load():
    heard.clear()
    global listening
    listening = True
    try:
        checkpoint.load(path)
    except CheckpointError:
        pass
    finally:
        listening = False
    bad = [event for event in heard if event[0] in FORBIDDEN or (event[0] == "open" and event[1])]
    assert not bad, bad


FORBIDDEN = {"pickle.find_class", "exec", "compile", "import", "subprocess.Popen", "os.system", "os.exec", "os.fork"}
FORBIDDEN |= {"os.posix_spawn", "socket.connect", "ctypes.dlopen"}
heard, listening = [], False


def listen(event, given):
    if listening:
        writes = event == "open" and isinstance(given[1], str) and set(given[1]) & set("wax+")
        heard.append((event, writes))


checkpoint.load(path)  # what is imported once is imported now
put("generator.safetensors", b"")
try:
    checkpoint.load(path)
except CheckpointError:
    pass
sys.addaudithook(listen)
crafted = [pickle.dumps(Payload(), protocol) for protocol in range(6)]
crafted += [b"PK\\x03\\x04" + crafted[2], b"\\x80\\x02", len(crafted[2]).to_bytes(8, "little") + crafted[2]]
crafted += [b"import os", b"!!python/object:os.system", b""]
for content in crafted:
    for name in ("generator.safetensors", "state.json"):
        put(name, content)
        load()
        (path / name).write_bytes(whole[name])
for _ in range(int(sys.argv[3])):
    name = dice.choice(sorted(whole))
    content = damaged(whole[name])
    if name == "manifest.json" or dice.random() < 0.5:
        (path / name).write_bytes(content)
    else:
        put(name, content)
    load()
    (path / name).write_bytes(whole[name])
    (path / "manifest.json").write_bytes(whole["manifest.json"])
assert not outside.exists()
print("loaded", len(crafted), sys.argv[3])
"""


def test_no_hostile_checkpoint_runs_imports_or_writes_anything(path: Path, tmp_path: Path):
    copy = tmp_path / "step-00000001"
    copy.mkdir()
    for one in path.iterdir():
        (copy / one.name).write_bytes(one.read_bytes())

    ran = subprocess.run(
        [sys.executable, "-c", LISTENER, str(copy), str(tmp_path / "outside"), "2000"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "loaded 12 2000\n"
