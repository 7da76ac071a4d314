"""Which kernel runs: prebuilt, compiled on first use, or the reference with one line that says why."""

import os
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
    monkeypatch.setattr(library, "_statuses", {})
    monkeypatch.setattr(library, "_told", set())
    monkeypatch.setattr(library, "_prebuilt", lambda device="cpu": tmp_path / "absent.so")
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

    def fail(device):
        raise jit.BuildError("the kernel does not compile", "first\n" + "more\n" * 20 + "error: expected ';'")

    monkeypatch.setattr(jit, "build", fail)

    with pytest.raises(KernelError, match="error: expected ';'") as caught:
        library._native_kernel_serves(CPU, Operator())
    assert "first" not in caught.value.what


@pytest.mark.usefixtures("no_compiler")
def test_a_damaged_prebuilt_library_is_told_beside_the_reason_of_the_next_choice(undecided, monkeypatch):
    damaged = undecided / "_cpu.so"
    damaged.write_text("not a library")
    monkeypatch.setattr(library, "_prebuilt", lambda device="cpu": damaged)

    status = library.kernel_status()

    assert status.kind == "reference"
    assert status.reason.startswith("_cpu.so does not load: ")
    assert status.reason.endswith("; no C++ compiler: 'no-such-compiler' is not on PATH")
    assert "\n" not in status.reason


@pytest.mark.usefixtures("undecided")
def test_a_damaged_compiled_library_leaves_the_reference(monkeypatch, tmp_path):
    path = tmp_path / "ganreg_cpu.so"
    path.write_text("not a library")
    monkeypatch.setattr(jit, "build", lambda device: jit.Build(path, "c++ 12"))

    status = library.kernel_status()

    assert (status.kind, status.compiler) == ("reference", "c++ 12")
    assert status.reason.startswith("ganreg_cpu.so does not load: ")


@pytest.mark.usefixtures("undecided")
def test_a_compiled_library_is_chosen_over_a_damaged_prebuilt_one(monkeypatch, tmp_path):
    damaged = tmp_path / "_cpu.so"
    damaged.write_text("not a library")
    monkeypatch.setattr(library, "_prebuilt", lambda device="cpu": damaged)
    monkeypatch.setattr(jit, "build", lambda device: jit.Build(tmp_path / "ganreg_cpu.so", "c++ 12"))
    monkeypatch.setattr(library, "_with_variant", lambda status, *_: status)
    real_load = library.load
    monkeypatch.setattr(library, "load", lambda path: real_load(path) if path == damaged else "")

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
    assert not library._native_kernel_serves(torch.device("mps"), Operator())

    assert capsys.readouterr().err.endswith("reference kernel: there is no native kernel for mps tensors\n")
    assert library._statuses == {}  # nothing was compiled for it

    monkeypatch.setenv("GANREG_KERNEL", "native")
    with pytest.raises(KernelError, match="no native kernel for mps tensors"):
        library._native_kernel_serves(torch.device("mps"), Operator())


def test_a_prebuilt_library_belongs_to_its_sources():
    assert library._prebuilt("cpu").name == f"{sources.library_name()}.abi3.so"


# --- the variant of the CPU kernel ------------------------------------------------------------------------------------


def test_a_variant_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="GANREG_CPU: expected one of scalar, avx2, avx512, got 'mmx'"):
        library.use_variant("mmx")


@pytest.mark.usefixtures("undecided")
def test_a_variant_from_the_environment_that_does_not_exist_is_refused(monkeypatch):
    monkeypatch.setenv("GANREG_CPU", "sse9")

    with pytest.raises(UsageError, match="GANREG_CPU: expected one of scalar, avx2, avx512, got 'sse9'"):
        library.kernel_status()


def test_a_variant_beyond_the_processor_is_refused(monkeypatch):
    class Operators:
        _use_cpu_variant = staticmethod(lambda number: False)
        _cpu_variant = staticmethod(lambda: 0)

    monkeypatch.setattr(library.torch.ops, "ganreg", Operators)

    with pytest.raises(UsageError, match="GANREG_CPU: this processor lacks its instructions, got 'avx512'"):
        library.use_variant("avx512")


REFUSED = """
import torch
from ganreg.ops import library
from ganreg.ops.pointwise_loss import pointwise_loss

library.VARIANTS = (*library.VARIANTS, "avx1024")  # no processor has it
for _ in range(3):
    try:
        pointwise_loss(torch.zeros(3), target=1.0)
    except Exception as error:
        print(type(error).__name__, "GANREG_CPU" in str(error))
    else:
        print("computed")
"""


def test_a_variant_from_the_environment_beyond_the_processor_is_refused_at_every_call():
    told = subprocess.run(
        [sys.executable, "-c", REFUSED], env=os.environ | {"GANREG_CPU": "avx1024"}, capture_output=True, text=True, check=True
    )

    assert told.stdout.splitlines() == ["UsageError True", "RuntimeError True", "RuntimeError True"], told.stderr


@pytest.mark.usefixtures("undecided")
def test_the_reference_has_no_variants(monkeypatch):
    monkeypatch.setenv("GANREG_KERNEL", "reference")

    assert library.kernel_status().variant == ""
    with pytest.raises(UsageError, match="GANREG_CPU: there is no native kernel, got 'scalar'"):
        library.use_variant("scalar")


def test_a_variant_can_be_chosen_and_is_told(variant):
    assert library.kernel_status().variant == variant
    assert library.VARIANTS[torch.ops.ganreg._cpu_variant()] == variant
