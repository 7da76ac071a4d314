"""A file's name decides its flags, and any change of a source changes the digest."""

import runpy
import shutil
import sys
from pathlib import Path

import pytest

from ganreg.ops import sources


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of csrc that may be changed."""
    folder = tmp_path / "csrc"
    shutil.copytree(sources.folder(), folder)
    monkeypatch.setattr(sources, "folder", lambda: folder)
    return folder


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("pointwise_loss.cpp", None),
        ("pointwise_loss_scalar.cpp", ()),
        ("pointwise_loss_avx2.cpp", ("-mavx2", "-mfma", "-mf16c")),
    ],
)
def test_the_suffix_decides_the_flags(name, flags):
    assert sources.variant_flags(Path(name)) == flags


def test_an_avx512_variant_gets_avx512_flags():
    assert "-mavx512f" in (sources.variant_flags(Path("hinge_avx512.cpp")) or ())


def test_the_sources_of_the_cpu_library(monkeypatch):
    monkeypatch.setattr(sources.platform, "machine", lambda: "x86_64")
    assert [path.name for path in sources.cpu_sources()] == [
        "cpu_features.cpp",
        "pointwise_loss.cpp",
        "pointwise_loss_avx2.cpp",
        "pointwise_loss_avx512.cpp",
        "pointwise_loss_scalar.cpp",
    ]


def test_another_processor_gets_the_scalar_variant_alone(monkeypatch):
    monkeypatch.setattr(sources.platform, "machine", lambda: "arm64")

    assert [path.name for path in sources.cpu_sources()] == [
        "cpu_features.cpp",
        "pointwise_loss.cpp",
        "pointwise_loss_scalar.cpp",
    ]


@pytest.mark.parametrize("name", ["pointwise.h", "cpu/pointwise_loss.cpp", "check.h"])
def test_the_digest_changes_with_every_source(copied, name):
    before = sources.digest()
    assert sources.digest() == before

    (copied / name).write_text((copied / name).read_text() + "\n")

    assert sources.digest() != before


def test_the_digest_changes_with_the_flags(monkeypatch):
    before = sources.digest()
    monkeypatch.setattr(sources, "FLAGS", (*sources.FLAGS, "-g"))

    assert sources.digest() != before


def test_the_law_is_read_without_torch_and_without_the_package(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] in {"torch", "ganreg"}]:
        monkeypatch.setitem(sys.modules, name, None)  # importing it would raise

    law = runpy.run_path(str(Path(sources.__file__)))

    assert law["library_name"]() == sources.library_name()
