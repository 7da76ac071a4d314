"""What csrc must not hold: unstable torch headers, flags that change arithmetic, torch in a torch-free variant."""

import re
import shutil
import subprocess

import pytest

from ganreg.ops import sources

FILES = sorted(path for path in sources.folder().rglob("*") if path.suffix in {".h", ".cpp", ".cu"})
STABLE = ("torch/csrc/stable/", "torch/headeronly/", "torch/csrc/inductor/aoti_torch/c/")
FORBIDDEN_FLAGS = ("-ffast-math", "-Ofast", "-funsafe-math", "-fassociative-math", "-use_fast_math", "-ftz=true")
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
    assert {"check.h", "pointwise.h", "bce_with_logits.cpp"} <= {path.name for path in FILES}
    assert "bce_with_logits_scalar.cpp" in {path.name for path in VARIANTS}


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


def test_no_flag_changes_arithmetic():
    every = [*sources.FLAGS, *(flag for flags in sources.VARIANT_FLAGS.values() for flag in flags)]

    assert [flag for flag in every if flag.startswith(FORBIDDEN_FLAGS)] == []
    assert "-ffp-contract=off" in every


@each_file
def test_no_source_switches_arithmetic_by_pragma(path):
    assert not re.search(r"#\s*pragma\s+(GCC optimize|STDC FP_CONTRACT|float_control|fp_contract)", path.read_text())


@each_file
def test_no_float_is_added_atomically(path):
    assert "atomicAdd" not in path.read_text()
