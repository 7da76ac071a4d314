"""What csrc must not hold: unstable torch headers, flags that change arithmetic, torch in a torch-free variant."""

import contextlib
import platform
import re
import shlex
import shutil
import stat
import subprocess

import pytest

from ganreg.ops import jit, library, sources

FILES = sorted(path for path in sources.folder().rglob("*") if path.suffix in {".h", ".cpp", ".cu"})
STABLE = ("torch/csrc/stable/", "torch/headeronly/", "torch/csrc/inductor/aoti_torch/c/")
FORBIDDEN_FLAGS = (
    *("-ffast-math", "-Ofast", "-funsafe-math", "-fassociative-math", "-freciprocal-math", "-ffinite-math", "-mdaz-ftz"),
    *("-use_fast_math", "--use_fast_math", "-ftz=true", "--ftz=true", "-prec-div=false", "--prec-div=false"),
    *("-prec-sqrt=false", "--prec-sqrt=false", "-march=native", "-ffp-contract=fast", "-ffp-contract=on"),
)
FLOAT_ATOMICS = r"atomicAdd|\batomic(Exch|CAS)\b|fetch_add|std::atomic<\s*(float|double)|red\.global"
VARIANTS = [path for path in sources.cpu_sources() if sources.variant_flags(path) is not None]

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
each_variant = pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.name)


def includes(path):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def reached(path):
    """Every file that is included from here, ours opened in turn."""
    for name in includes(path):
        yield name
        own = (path.parent / name).resolve()
        if own.is_file():
            yield from reached(own)


def unstable(names):
    return [
        name for name in names if re.match(r"(torch|ATen|c10|caffe2|pybind11)/|Python\.h", name) and not name.startswith(STABLE)
    ]


def test_there_is_something_to_look_at():
    assert {"check.h", "pointwise.h", "pointwise_loss.cpp", "polynomials.h"} <= {path.name for path in FILES}
    wanted = {f"pointwise_loss_{variant}.cpp" for variant in library.VARIANTS}
    assert {path.name for path in VARIANTS} == (wanted if platform.machine() == "x86_64" else {"pointwise_loss_scalar.cpp"})


def test_every_suffix_of_a_variant_is_one_that_the_library_knows():
    assert tuple(suffix.removeprefix("_") for suffix in sources.VARIANT_FLAGS) == library.VARIANTS


def test_looking_at_the_processor_needs_no_torch():
    names = set(reached(sources.folder() / "cpu" / "cpu_features.cpp"))
    assert not any("torch" in name for name in names)


@each_file
def test_only_stable_torch_headers_are_included(path):
    assert unstable(includes(path)) == []


def test_the_rule_about_headers_catches_what_it_is_for():
    names = ["torch/extension.h", "ATen/ATen.h", "c10/util/Half.h", "Python.h", "torch/csrc/stable/ops.h", "check.h"]

    assert unstable(names) == ["torch/extension.h", "ATen/ATen.h", "c10/util/Half.h", "Python.h"]


@each_variant
def test_a_torch_free_variant_reaches_no_torch_and_no_cpp_library(path):
    assert [name for name in reached(path) if "torch" in name or not name.endswith(".h")] == []


@each_variant
def test_a_variant_exports_nothing_that_the_linker_could_share(path, tmp_path):
    if shutil.which("c++") is None or shutil.which("nm") is None:
        pytest.skip("no C++ compiler or no nm")
    flags = [*sources.FLAGS, *(sources.variant_flags(path) or ())]
    subprocess.run(["c++", *flags, "-c", path, "-o", tmp_path / "variant.o"], check=True)

    listing = subprocess.run(["nm", "-C", tmp_path / "variant.o"], check=True, capture_output=True, text=True).stdout

    symbols = [line.split(maxsplit=2)[1:] for line in listing.splitlines() if not line.startswith(" ")]
    assert [name for kind, name in symbols if kind in {"W", "V", "u", "w", "v"}] == []
    exported = {name.partition("(")[0] for kind, name in symbols if kind == "T"}
    assert exported == {f"ganreg::{path.stem}"}


def forbidden(words):
    return [word for word in words if word.startswith(FORBIDDEN_FLAGS)]


def test_no_flag_changes_arithmetic():
    every = [*sources.FLAGS, *sources.CUDA_FLAGS, *(flag for flags in sources.VARIANT_FLAGS.values() for flag in flags)]

    assert forbidden(every) == []
    assert "-ffp-contract=off" in sources.FLAGS


def test_the_rule_about_flags_catches_what_it_is_for():
    words = ["-O2", "-ffast-math", "-fmad=true", "--use_fast_math", "-ffp-contract=off", "-prec-div=false", "-mfma"]

    assert forbidden(words) == ["-ffast-math", "--use_fast_math", "-prec-div=false"]


RECORDER = """#!/bin/sh
echo "$@" >> {log}
while [ $# -gt 0 ]; do
  [ "$1" = --version ] && echo "recorder 1.0" && exit 0
  [ "$1" = -o ] && : > "$2"
  shift
done
"""


@pytest.fixture
def command_lines(tmp_path, monkeypatch):
    """Every command line of a build on first use: its compiler only writes down what it is told."""
    pytest.importorskip("ninja")
    compiler, log = tmp_path / "recorder", tmp_path / "commands"
    compiler.write_text(RECORDER.format(log=log))
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("GANREG_CACHE", str(tmp_path / "cache"))
    with contextlib.suppress(jit.BuildError):  # an empty library does not load
        jit.build()
    return [shlex.split(line) for line in log.read_text().splitlines()]


def test_no_command_line_of_a_build_changes_arithmetic(command_lines):
    compiled = {word.rpartition("/")[2]: line for line in command_lines for word in line if word.endswith(".cpp")}
    linked = [line for line in command_lines if "-shared" in line]

    assert set(compiled) == {path.name for path in sources.cpu_sources()}
    assert len(linked) == 1
    assert [forbidden(line) for line in [*compiled.values(), *linked]] == [[]] * (len(compiled) + 1)
    assert all("-ffp-contract=off" in line for line in compiled.values())


def test_only_a_variant_is_compiled_for_a_newer_processor(command_lines):
    newer = {
        word.rpartition("/")[2] for line in command_lines for word in line if word.endswith(".cpp") and " -m" in " ".join(line)
    }

    assert newer == {path.name for path in VARIANTS if sources.variant_flags(path) and path not in jit._left_out()}


@each_file
def test_no_source_switches_arithmetic_by_pragma(path):
    assert not re.search(r"#\s*pragma\s+(GCC optimize|STDC FP_CONTRACT|float_control|fp_contract)", path.read_text())


@each_file
def test_no_float_is_added_atomically(path):
    assert re.findall(FLOAT_ATOMICS, path.read_text()) == []
