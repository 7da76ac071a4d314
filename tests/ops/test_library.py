"""Which kernel runs: prebuilt, compiled on first use, or the reference with one line that says why."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganreg.errors import KernelError, UsageError
from ganreg.ops import jit, library, sources

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")


class Operator:
    """An operator without a native kernel."""

    def has_kernel_for_dispatch_key(self, key):
        return False

    def __str__(self):
        return "ganreg.some_operator"


@pytest.fixture
def undecided(monkeypatch, tmp_path):
    """A process that has not decided, without a prebuilt library and with an empty cache."""
    monkeypatch.setattr(library, "_status", None)
    monkeypatch.setattr(library, "_told", set())
    monkeypatch.setattr(library, "_prebuilt", lambda: tmp_path / "absent.so")
    monkeypatch.setenv("GANREG_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GANREG_KERNEL", raising=False)
    return tmp_path


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")


# --- decisions that load nothing --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("undecided")
def test_the_reference_can_be_asked_for(monkeypatch):
    monkeypatch.setenv("GANREG_KERNEL", "reference")

    assert library.kernel_status() == library.KernelStatus("reference", reason="GANREG_KERNEL=reference")


@pytest.mark.usefixtures("undecided")
def test_an_unknown_mode_is_refused(monkeypatch):
    monkeypatch.setenv("GANREG_KERNEL", "fast")

    with pytest.raises(UsageError, match="GANREG_KERNEL: expected one of auto, native, reference, got 'fast'"):
        library.kernel_status()


@pytest.mark.usefixtures("undecided", "no_compiler")
def test_without_a_compiler_one_line_says_why(capsys):
    assert not library._native_kernel_serves(CPU, Operator())
    assert not library._native_kernel_serves(CPU, Operator())

    told = "ganreg: the loss runs on its reference kernel: no C++ compiler: 'no-such-compiler' is not on PATH\n"
    assert capsys.readouterr().err == told
    assert library.kernel_status().kind == "reference"


@pytest.mark.usefixtures("undecided", "no_compiler")
def test_a_required_native_kernel_that_is_missing_is_an_error(monkeypatch):
    monkeypatch.setenv("GANREG_KERNEL", "native")

    with pytest.raises(KernelError, match="no C\\+\\+ compiler: 'no-such-compiler' is not on PATH") as caught:
        library._native_kernel_serves(CPU, Operator())

    assert caught.value.code == "GR901"
    assert caught.value.exit_code == 70
    assert "GANREG_CACHE" in caught.value.fix


@pytest.mark.usefixtures("undecided")
def test_a_required_native_kernel_shows_the_compilers_last_lines(monkeypatch):
    monkeypatch.setenv("GANREG_KERNEL", "native")

    def fail():
        raise jit.BuildError("the kernel does not compile", "first\n" + "more\n" * 20 + "error: expected ';'")

    monkeypatch.setattr(jit, "build", fail)

    with pytest.raises(KernelError, match="error: expected ';'") as caught:
        library._native_kernel_serves(CPU, Operator())
    assert "first" not in caught.value.what


@pytest.mark.usefixtures("no_compiler")
def test_a_damaged_prebuilt_library_is_told_beside_the_reason_of_the_next_choice(undecided, monkeypatch):
    damaged = undecided / "_cpu.so"
    damaged.write_text("not a library")
    monkeypatch.setattr(library, "_prebuilt", lambda: damaged)

    status = library.kernel_status()

    assert status.kind == "reference"
    assert status.reason.startswith("_cpu.so does not load: ")
    assert status.reason.endswith("; no C++ compiler: 'no-such-compiler' is not on PATH")
    assert "\n" not in status.reason


@pytest.mark.usefixtures("undecided")
def test_a_damaged_compiled_library_leaves_the_reference(monkeypatch, tmp_path):
    path = tmp_path / "ganreg_cpu.so"
    path.write_text("not a library")
    monkeypatch.setattr(jit, "build", lambda: jit.Build(path, "c++ 12"))

    status = library.kernel_status()

    assert (status.kind, status.compiler) == ("reference", "c++ 12")
    assert status.reason.startswith("ganreg_cpu.so does not load: ")


@pytest.mark.usefixtures("undecided")
def test_a_compiled_library_is_chosen_over_a_damaged_prebuilt_one(monkeypatch, tmp_path):
    damaged = tmp_path / "_cpu.so"
    damaged.write_text("not a library")
    monkeypatch.setattr(library, "_prebuilt", lambda: damaged)
    monkeypatch.setattr(jit, "build", lambda: jit.Build(tmp_path / "ganreg_cpu.so", "c++ 12"))
    real_load = library._load
    monkeypatch.setattr(library, "_load", lambda path: real_load(path) if path == damaged else "")

    status = library.kernel_status()

    assert status.kind == "compiled"
    assert status.reason.startswith("_cpu.so does not load: ")


@pytest.mark.usefixtures("undecided")
def test_it_is_decided_once(monkeypatch):
    monkeypatch.setenv("GANREG_KERNEL", "reference")
    first = library.kernel_status()
    monkeypatch.setenv("GANREG_KERNEL", "auto")

    assert library.kernel_status() is first


@pytest.mark.usefixtures("undecided")
def test_a_device_without_a_native_kernel_runs_the_reference_and_says_so(capsys, monkeypatch):
    assert not library._native_kernel_serves(torch.device("cuda"), Operator())

    assert capsys.readouterr().err.endswith("reference kernel: this build has no native kernel for cuda tensors\n")
    assert library._status is None  # nothing was compiled for it

    monkeypatch.setenv("GANREG_KERNEL", "native")
    with pytest.raises(KernelError, match="no native kernel for cuda tensors"):
        library._native_kernel_serves(torch.device("cuda"), Operator())


def test_a_prebuilt_library_belongs_to_its_sources():
    assert library._prebuilt().name == f"{sources.library_name()}.abi3.so"


# --- whole processes --------------------------------------------------------------------------------------------------

USE = """
import json, sys, torch
import ganreg.ops.bce_with_logits as face
from ganreg.ops import library
undecided = library._status is None
def loss(x):
    return face.bce_with_logits(x, target=1.0)
if "compile" in sys.argv:
    loss = torch.compile(loss, fullgraph=True, backend="eager")
value = loss(torch.zeros(3)).value.item()
status = library.kernel_status()
print(json.dumps({
    "value": value, "undecided": undecided, "kind": status.kind, "path": str(status.path), "reason": status.reason,
    "builder": "torch.utils.cpp_extension" in sys.modules,
}))
"""


def use(cache, *arguments, **environment):
    """The operator's first use in a process of its own -> what it found out, what it wrote to stderr."""
    clean = {name: value for name, value in os.environ.items() if name not in {"GANREG_KERNEL", "CXX"}}
    done = subprocess.run(
        [sys.executable, "-c", USE, *arguments],
        env={**clean, "PYTHONPATH": str(ROOT), "GANREG_CACHE": str(cache), **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.mark.slow
def test_a_library_is_compiled_once_and_again_after_it_was_damaged_or_its_build_killed(tmp_path):
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    if library._prebuilt().is_file():
        pytest.skip("a prebuilt library is found first")

    tmp_path = tmp_path / "a folder's name"  # that no shell may split
    first, stderr = use(tmp_path)
    assert (first["kind"], first["undecided"], first["builder"]) == ("compiled", True, True)
    assert first["value"] == pytest.approx(0.6931472)
    assert stderr == ""

    again, _ = use(tmp_path, "compile")  # the first use lies inside a compiled graph
    assert (again["kind"], again["builder"]) == ("compiled", False)
    assert again["value"] == first["value"]

    path = Path(first["path"])
    path.write_bytes(path.read_bytes()[:1000])
    (path.parent / "lock").touch()  # what a killed build leaves behind
    repaired, _ = use(tmp_path)
    assert (repaired["kind"], repaired["builder"]) == ("compiled", True)


@pytest.mark.slow
def test_the_operators_work_without_any_library(tmp_path):
    asked, stderr = use(tmp_path, "compile", GANREG_KERNEL="reference")
    assert (asked["kind"], asked["value"]) == ("reference", pytest.approx(0.6931472))
    assert stderr == ""

    forced, stderr = use(tmp_path, CXX="no-such-compiler")
    if forced["kind"] == "reference":
        assert stderr.count("\n") == 1
        assert "no C++ compiler: 'no-such-compiler'" in stderr
