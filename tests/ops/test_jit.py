"""Compiling on first use: what can go wrong, and that each fault has its reason."""

import os
import re
import shutil
import stat
import sys

import filelock
import pytest

from ganreg.ops import jit, sources

VARIANTS = [path for path in sources.cpu_sources() if sources.variant_flags(path) is not None]

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
    (broken / "cpu" / "pointwise_loss_scalar.cpp").write_text("int main( { this is not C++\n")
    monkeypatch.setattr(sources, "folder", lambda: broken)

    with pytest.raises(jit.BuildError, match="the kernel does not compile") as caught:
        jit.build()

    assert "this is not C++" in caught.value.last_lines
    assert "this is not C++" in caught.value.log.read_text()
    assert len(caught.value.last_lines.splitlines()) <= 12


@pytest.mark.usefixtures("fake_compiler")
def test_a_lock_that_another_process_holds_is_waited_for_a_bounded_time(cache, monkeypatch):
    monkeypatch.setattr(jit, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr(jit, "_compile", lambda *_: pytest.fail("compiled without the lock"))
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
def test_what_a_killed_build_left_is_not_met_again(monkeypatch):
    seen = []

    def load(objects, folder, _):
        seen.append(sorted(path.name for path in folder.iterdir()))
        (folder / "ganreg_cpu.so").write_text("library")

    monkeypatch.setattr(jit, "_load_extension", load)
    path = jit.build().path
    path.write_text("half a library")
    left = path.parent / "attempt-killed"
    left.mkdir()
    (left / "lock").write_text("torch's own lock, which nobody will take away")

    assert jit.build().path == path

    assert path.read_text() == "library"
    apart = [source for source in sources.cpu_sources() if source != jit._left_to_torch()]
    assert set(VARIANTS) < set(apart)
    assert seen == 2 * [sorted(f"{source.stem}.apart.o" for source in apart)]
    assert sorted(one.name for one in path.parent.iterdir()) == ["ganreg_cpu.sha256", "ganreg_cpu.so"]


@pytest.mark.usefixtures("fake_compiler")
def test_a_variant_that_the_processor_lacks_is_left_out_of_its_library(monkeypatch):
    monkeypatch.setattr(jit, "_load_extension", lambda objects, folder, _: (folder / "ganreg_cpu.so").write_text("library"))
    found = {}
    for name, flags in {"with": jit.AVX512, "without": {"avx2"}, "untold": ()}.items():
        monkeypatch.setattr(jit, "processor_flags", lambda flags=flags: frozenset(flags))
        found[name] = [source.name for source in jit._left_out()], jit.build().path

    assert [left_out for left_out, _ in found.values()] == [[], ["pointwise_loss_avx512.cpp"], []]
    assert found["with"][1] != found["without"][1]  # another library: a home may be shared by unlike machines
    assert found["with"][1] == found["untold"][1]


@pytest.mark.usefixtures("fake_compiler")
def test_beside_a_home_that_cannot_be_written_a_private_folder_serves(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "_load_extension", lambda objects, folder, _: (folder / "ganreg_cpu.so").write_text(""))
    monkeypatch.delenv("GANREG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    monkeypatch.setattr(jit.tempfile, "gettempdir", lambda: str(tmp_path))
    private = tmp_path / f"ganreg-{os.getuid()}"

    assert jit.build().path.parents[2] == private
    assert private.stat().st_mode & 0o777 == 0o700

    monkeypatch.setattr(jit.tempfile, "gettempdir", lambda: "/dev/null")  # nor can anything temporary be written
    assert reason().startswith("cannot build in /dev/null/ganreg")
    monkeypatch.setattr(jit.tempfile, "gettempdir", lambda: str(tmp_path))

    private.chmod(0o777)  # now anybody could put a library there
    assert reason().startswith("cannot build in /dev/null/ganreg")


@pytest.mark.usefixtures("fake_compiler")
def test_a_whole_library_is_built_once(monkeypatch):
    built = []

    def load(objects, folder, _):
        built.append(folder)
        (folder / "ganreg_cpu.so").write_text("library")

    monkeypatch.setattr(jit, "_load_extension", load)

    first, second = jit.build(), jit.build()

    assert first == second
    assert first.compiler == "fake 1.0"
    assert len(built) == 1


@pytest.mark.usefixtures("fake_compiler")
def test_other_sources_and_other_compilers_have_their_own_folder(fake_compiler, monkeypatch):
    monkeypatch.setattr(jit, "_load_extension", lambda objects, folder, _: (folder / "ganreg_cpu.so").write_text(""))
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


# --- CUDA, as far as it goes without a card ---------------------------------------------------------------------------


def cuda_reason():
    with pytest.raises(jit.BuildError) as caught:
        jit.build("cuda")
    return caught.value.reason


@pytest.fixture
def nvcc(fake_compiler, monkeypatch):
    """`nvcc("12.4")` puts a compiler of that release where torch looks, beside a torch for CUDA 13.0."""
    home = fake_compiler.parent / "cuda"
    monkeypatch.setattr(jit.torch.version, "cuda", "13.0")
    monkeypatch.setattr(jit, "_cuda_home", lambda: str(home))

    def install(release, status=0):
        program = home / "bin" / "nvcc"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho 'Cuda compilation tools, release {release}, V{release}.1'\nexit {status}\n")
        program.chmod(0o755)

    return install


@pytest.mark.usefixtures("fake_compiler")
def test_a_torch_without_cuda_gets_no_cuda_library(monkeypatch):
    monkeypatch.setattr(jit.torch.version, "cuda", None)

    assert cuda_reason() == "this torch was built without CUDA"


@pytest.mark.usefixtures("nvcc")
def test_without_nvcc():
    assert re.fullmatch(r"no CUDA compiler: there is no nvcc 13 in .*/bin/cuda \(set CUDA_HOME\)", cuda_reason())


def test_an_nvcc_that_does_not_run(nvcc):
    nvcc("13.0", status=1)

    assert re.match("the CUDA compiler '.*/nvcc' does not run: ", cuda_reason())


def test_an_nvcc_of_another_major_version(nvcc):
    nvcc("12.4")

    assert cuda_reason() == "nvcc is of CUDA 12.4, and torch of CUDA 13.0"


def test_without_a_card(nvcc, monkeypatch):
    nvcc("13.2")
    monkeypatch.setattr(jit.torch.cuda, "device_count", lambda: 0)

    assert cuda_reason() == "torch sees no CUDA device"


def test_a_cuda_library_is_built_for_the_cards_that_are_there(nvcc, monkeypatch):
    nvcc("13.2")
    monkeypatch.setattr(jit.torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(jit.torch.cuda, "get_device_capability", lambda index: [(9, 0), (8, 6)][index])
    asked = {}

    def load(name, files, folder, **flags):
        asked.update(name=name, files=files, architectures=os.environ["TORCH_CUDA_ARCH_LIST"], **flags)
        (folder / "ganreg_cuda.so").write_text("library")

    monkeypatch.setattr(jit, "_load", load)

    built = jit.build("cuda")

    assert built.path.name == "ganreg_cuda.so"
    assert built.compiler == "fake 1.0, nvcc 13.2"
    assert asked["architectures"] == "8.6;9.0"
    assert [path.rpartition("/")[2] for path in asked["files"]] == ["pointwise_loss.cu"]
    assert asked["extra_cuda_cflags"] == list(sources.CUDA_FLAGS)


def test_the_host_compiler_of_nvcc_is_the_users(nvcc, fake_compiler, monkeypatch):
    nvcc("13.0")
    monkeypatch.setattr(jit, "_cuda_architecture", lambda: "9.0")
    monkeypatch.setenv("CXX", str(fake_compiler))
    monkeypatch.delenv("CC", raising=False)
    asked = {}
    monkeypatch.setattr(jit, "_load", lambda name, files, folder, **flags: asked.update(flags))

    jit._load_cuda_extension(fake_compiler.parent, None)

    assert asked["extra_cuda_cflags"][-2:] == ["-ccbin", str(fake_compiler)]


def test_the_cache_folder(monkeypatch, tmp_path):
    assert jit.cache_folder().name == "cache"

    monkeypatch.delenv("GANREG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jit.cache_folder() == tmp_path / "ganreg"

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert jit.cache_folder() == tmp_path / ".cache" / "ganreg"
