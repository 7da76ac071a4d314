"""The kernel's first use in processes of their own: compiled once, whatever happens meanwhile."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganreg.ops import library

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

USE = """
import json, sys, torch
import ganreg.ops.pointwise_loss as face
from ganreg.ops import library
undecided = not library._statuses
def loss(x):
    return face.pointwise_loss(x, target=1.0)
if "compile" in sys.argv:
    loss = torch.compile(loss, fullgraph=True, backend="eager")
value = loss(torch.zeros(3)).value.item()
status = library.kernel_status()
print(json.dumps({
    "value": value, "undecided": undecided, "kind": status.kind, "path": str(status.path), "reason": status.reason,
    "builder": "torch.utils.cpp_extension" in sys.modules, "variant": status.variant,
}))
"""


def start(cache, *arguments, **environment):
    """The operator's first use, begun in a process of its own."""
    switches = {"GANREG_KERNEL", "GANREG_CPU", "GANREG_CACHE", "CXX"}
    clean = {name: value for name, value in os.environ.items() if name not in switches}
    chosen = {"GANREG_CACHE": str(cache)} if cache is not None else {}
    return subprocess.Popen(
        [sys.executable, "-c", USE, *arguments],
        env={**clean, "PYTHONPATH": str(ROOT), **chosen, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """What it found out, what it wrote to stderr."""
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return json.loads(out), err


def use(cache, *arguments, **environment):
    return finish(start(cache, *arguments, **environment))


needs_compiler = pytest.mark.skipif(
    shutil.which("c++") is None or library._prebuilt("cpu").is_file(),
    reason="no C++ compiler, or a prebuilt library comes first",
)


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A cache that holds the library, and what its first use found out."""
    cache = tmp_path_factory.mktemp("warm") / "a folder's name"  # that no shell may split
    return cache, use(cache)


@needs_compiler
def test_a_library_is_compiled_once(warm):
    cache, (first, stderr) = warm
    assert (first["kind"], first["undecided"], first["builder"]) == ("compiled", True, True)
    assert first["value"] == pytest.approx(0.6931472)
    assert stderr == ""

    again, _ = use(cache, "compile")  # the first use lies inside a compiled graph
    assert (again["kind"], again["builder"]) == ("compiled", False)
    assert again["value"] == first["value"]


@needs_compiler
def test_a_variant_is_forced_by_the_environment(warm):
    told, _ = use(warm[0], GANREG_CPU="scalar")

    assert told["variant"] == "scalar"


@needs_compiler
def test_two_at_once_and_a_killed_build_leave_a_whole_library(tmp_path):
    killed = start(tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("kernels/*/attempt-*")):
        assert time.monotonic() < deadline
        assert killed.poll() is None
        time.sleep(0.02)
    time.sleep(0.5)  # its compilers are at work, and go on when it is gone
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()

    both = [start(tmp_path), start(tmp_path)]
    told = [finish(process) for process in both]

    assert [(found["kind"], err) for found, err in told] == 2 * [("compiled", "")]
    assert sorted(found["builder"] for found, _ in told) == [False, True]  # one compiled, the other waited
    folder = Path(told[0][0]["path"]).parent
    assert sorted(path.name for path in folder.iterdir()) == ["ganreg_cpu.sha256", "ganreg_cpu.so"]


@needs_compiler
def test_a_damaged_library_is_compiled_again_without_ninja_on_path_in_a_home_that_cannot_be_written(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("c++", "as", "ld", "sh"):  # not ninja, nor anything else of the environment
        (tools / name).symlink_to(shutil.which(name))
    surroundings = {"HOME": "/dev/null", "XDG_CACHE_HOME": "", "TMPDIR": str(tmp_path), "PATH": str(tools)}

    first, stderr = use(None, **surroundings)
    assert (first["kind"], stderr) == ("compiled", "")
    path = Path(first["path"])
    assert path.is_relative_to(tmp_path)

    path.write_bytes(path.read_bytes()[:1000])
    repaired, stderr = use(None, **surroundings)
    assert (repaired["kind"], repaired["builder"], stderr) == ("compiled", True, "")


@pytest.mark.slow
def test_the_operators_work_without_any_library(tmp_path):
    asked, stderr = use(tmp_path, "compile", GANREG_KERNEL="reference")
    assert (asked["kind"], asked["value"]) == ("reference", pytest.approx(0.6931472))
    assert stderr == ""

    forced, stderr = use(tmp_path, CXX="no-such-compiler")
    if forced["kind"] == "reference":
        assert stderr.count("\n") == 1
        assert "no C++ compiler: 'no-such-compiler'" in stderr
