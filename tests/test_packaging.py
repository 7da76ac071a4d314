"""What the wheels and the sdist hold; each is really built, from a copy, without the network."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from ganreg.ops import sources

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {path.relative_to(ROOT / "csrc").as_posix() for path in (ROOT / "csrc").rglob("*") if path.is_file()}

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path):
    """A copy of what a build reads, so that no build leaves a trace in the tree."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    left_out = shutil.ignore_patterns("__pycache__", "*.so")
    for name in ("ganreg", "csrc"):
        shutil.copytree(ROOT / name, copy / name, ignore=left_out)
    return copy


def build(checkout, hook, **environment):
    """Run a hook of the build backend -> the file it made, or what it said."""
    out = checkout.parent / "out"
    out.mkdir(exist_ok=True)
    code = f"from setuptools.build_meta import {hook}; {hook}({str(out)!r})"
    clean = {name: value for name, value in os.environ.items() if name not in {"GANREG_NATIVE", "CC", "CXX"}}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=checkout,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=110,
    )
    return next(out.iterdir(), None), done.returncode, done.stdout + done.stderr


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        tags = next(archive.read(name).decode() for name in names if name.endswith(".dist-info/WHEEL"))
    return set(names), tags


def csrc_in(names, prefix):
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix) and not name.endswith("/")}


def test_a_pure_wheel_carries_the_sources_and_no_library(checkout):
    wheel, code, told = build(checkout, "build_wheel", GANREG_NATIVE="0")

    assert code == 0, told
    assert wheel.name.endswith("-py3-none-any.whl")
    names, tags = contents(wheel)
    assert csrc_in(names, "ganreg/csrc/") == SOURCES
    assert {"ganreg/py.typed", "ganreg/ops/sources.py", "ganreg/report/assets/page.css"} <= names
    assert not [name for name in names if name.endswith((".so", ".pyd"))]
    assert "Root-Is-Purelib: true" in tags


def test_a_native_wheel_is_abi3_and_carries_the_library_of_its_sources(checkout):
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    wheel, code, told = build(checkout, "build_wheel", GANREG_NATIVE="1")

    assert code == 0, told
    assert "-cp311-abi3-" in wheel.name
    names, tags = contents(wheel)
    assert f"ganreg/{sources.library_name()}.abi3.so" in names
    assert csrc_in(names, "ganreg/csrc/") == SOURCES
    assert "Root-Is-Purelib: false" in tags


def test_a_build_that_fails_leaves_a_pure_wheel_tagged_as_one(checkout):
    wheel, code, told = build(checkout, "build_wheel", CC="false", CXX="false")

    assert code == 0, told
    assert "ganreg: no library is built ahead of time" in told
    assert wheel.name.endswith("-py3-none-any.whl")
    names, tags = contents(wheel)
    assert "Root-Is-Purelib: true" in tags
    assert not [name for name in names if name.endswith(".so") or ".data/" in name]
    assert "ganreg/ops/sources.py" in names


def test_a_build_that_fails_is_fatal_where_it_was_asked_for(checkout):
    wheel, code, _ = build(checkout, "build_wheel", CC="false", CXX="false", GANREG_NATIVE="1")

    assert code != 0
    assert wheel is None


def test_the_sdist_carries_every_source(checkout):
    sdist, code, told = build(checkout, "build_sdist", GANREG_NATIVE="0")

    assert code == 0, told
    with tarfile.open(sdist) as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
    inside = {name.partition("/")[2] for name in names}
    assert csrc_in(inside, "csrc/") == SOURCES
    assert {"setup.py", "pyproject.toml", "ganreg/ops/sources.py"} <= inside
