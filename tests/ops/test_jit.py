"""Compiling on first use: what can go wrong, and that each fault has its reason."""

import os
import shutil
import stat
import sys

import filelock
import pytest

from ganreg.ops import jit, sources

FAKE_COMPILER = """#!/bin/sh
while [ $# -gt 0 ]; do
  [ "$1" = --version ] && echo "fake 1.0" && exit 0
  [ "$1" = -o ] && : > "$2"
  shift
done
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANREG_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def fake_compiler(tmp_path, monkeypatch):
    """A compiler that makes empty files, alone on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    compiler = folder / "c++"
    compiler.write_text(FAKE_COMPILER)
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    return compiler


def reason():
    with pytest.raises(jit.BuildError) as caught:
        jit.build()
    return caught.value.reason


def test_without_a_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert reason() == "no C++ compiler: 'c++' is not on PATH"


def test_a_compiler_from_the_environment_that_is_not_there(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")

    assert reason() == "no C++ compiler: 'no-such-compiler' is not on PATH"


@pytest.mark.parametrize(
    ("words", "why"),
    [("c++ -march=native", "CXX must be one program, got 'c++ -march=native'"), ("c++ 'x", "CXX cannot be read: No closing")],
)
def test_a_compiler_with_words_behind_it_is_told(words, why, monkeypatch):
    monkeypatch.setenv("CXX", words)

    assert reason().startswith(why)


def test_a_compiler_that_does_not_run(fake_compiler):
    fake_compiler.write_text("#!/bin/sh\nexit 1\n")

    assert reason().startswith("the C++ compiler 'c++' does not run")


@pytest.mark.usefixtures("fake_compiler")
def test_without_ninja(monkeypatch):
    monkeypatch.setitem(sys.modules, "ninja", None)

    assert reason() == "no ninja: pip install ninja"


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GANREG_CACHE", str(tmp_path / "file" / "cache"))

    assert reason().startswith(f"cannot build in {tmp_path}")
    assert "Not a directory" in reason()


def test_a_source_that_does_not_compile_shows_the_compilers_last_lines(tmp_path, monkeypatch):
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    broken = tmp_path / "csrc"
    shutil.copytree(sources.folder(), broken)
    (broken / "cpu" / "bce_with_logits_scalar.cpp").write_text("int main( { this is not C++\n")
    monkeypatch.setattr(sources, "folder", lambda: broken)

    with pytest.raises(jit.BuildError, match="the kernel does not compile") as caught:
        jit.build()

    assert "this is not C++" in caught.value.last_lines
    assert "this is not C++" in caught.value.log.read_text()
    assert len(caught.value.last_lines.splitlines()) <= 12


@pytest.mark.usefixtures("fake_compiler")
def test_a_lock_that_another_process_holds_is_waited_for_a_bounded_time(cache, monkeypatch):
    monkeypatch.setattr(jit, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr(jit, "_compile", lambda compiler, folder: pytest.fail("compiled without the lock"))
    real_lock, holders, waits = filelock.FileLock, [], []

    def held(path, *, timeout):
        holders.append(real_lock(path))
        holders[-1].acquire()
        waits.append(timeout)
        return real_lock(path, timeout=timeout)

    monkeypatch.setattr(jit.filelock, "FileLock", held)

    told = reason()
    holders[0].release()

    assert told.startswith(f"another process has held {cache / 'kernels'}")
    assert told.endswith("for 0 s")
    assert waits == [0.2]


@pytest.mark.usefixtures("fake_compiler")
def test_the_lock_of_a_killed_build_is_removed_before_torch_waits_for_it(monkeypatch):
    seen = []

    def load(objects, folder):
        seen.append(sorted(path.name for path in folder.iterdir()))
        (folder / f"{jit.NAME}.so").write_text("library")

    monkeypatch.setattr(jit, "_load_extension", load)
    path = jit.build().path
    for left in ("lock", "ganreg_cpu.so"):
        (path.parent / left).write_text("from a build that was killed")

    assert jit.build().path == path

    assert len(seen) == 2
    assert seen[1] == ["bce_with_logits_scalar.variant.o", "ganreg_cpu.sha256"]


@pytest.mark.usefixtures("fake_compiler")
def test_a_whole_library_is_built_once(monkeypatch):
    built = []

    def load(objects, folder):
        built.append(folder)
        (folder / f"{jit.NAME}.so").write_text("library")

    monkeypatch.setattr(jit, "_load_extension", load)

    first, second = jit.build(), jit.build()

    assert first == second
    assert first.compiler == "fake 1.0"
    assert len(built) == 1


@pytest.mark.usefixtures("fake_compiler")
def test_other_sources_and_other_compilers_have_their_own_folder(fake_compiler, monkeypatch):
    monkeypatch.setattr(jit, "_load_extension", lambda objects, folder: (folder / f"{jit.NAME}.so").write_text(""))
    paths = {jit.build().path}

    fake_compiler.write_text(FAKE_COMPILER.replace("1.0", "2.0"))
    paths.add(jit.build().path)
    monkeypatch.setattr(sources, "digest", lambda: "0123456789ab")
    paths.add(jit.build().path)

    assert len(paths) == 3


def test_the_environment_is_as_it_was_after_a_build(monkeypatch):
    monkeypatch.delenv("MAX_JOBS", raising=False)
    before = dict(os.environ)

    with jit._ninja_on_path():
        assert os.environ["MAX_JOBS"] == "1"
        assert shutil.which("ninja")

    assert dict(os.environ) == before


def test_the_cache_folder(monkeypatch, tmp_path):
    assert jit.cache_folder().name == "cache"

    monkeypatch.delenv("GANREG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jit.cache_folder() == tmp_path / "ganreg"

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert jit.cache_folder() == tmp_path / ".cache" / "ganreg"
