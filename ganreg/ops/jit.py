"""Compile a library on first use: some seconds once per machine, then it is found in the cache.

One folder per (device, torch, compiler, sources).  An operating system's lock, which dies with its holder, lets one process
compile while the others wait.  Each attempt compiles in a folder of its own: what a killed one leaves behind, torch's lock
file and compilers that still write, is never met again.  A digest written last says that the library is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sysconfig
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import torch
from rich.console import Console

from ganreg.ops import sources
from ganreg.ops.sources import Functor
from ganreg.processor import processor_flags

LOCK_SECONDS = 600.0
"""How long to wait for another process that compiles; the CPU library takes ten seconds, CUDA's a minute a kind of card."""


AVX512 = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"})


class BuildError(Exception):
    """No library could be made: the reason in one line, the compiler's last lines, the log if there is one."""

    def __init__(self, reason: str, output: str = "", log: Path | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.last_lines = "\n".join(output.strip().splitlines()[-12:])
        self.log = log


@dataclass(frozen=True, slots=True)
class Build:
    """A library on disk."""

    path: Path
    compiler: str


def cache_folder() -> Path:
    """`GANREG_CACHE`, else `ganreg` in the user's cache folder."""
    if chosen := os.environ.get("GANREG_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ganreg"


def build(device: str = "cpu", functor: Functor | None = None) -> Build:
    """The library of a device ("cpu" or "cuda") for this torch, compiler and source, compiled now if it is not in the cache.

    With a plugin's `functor` it holds that loss alone, in a namespace of its own.
    Raises `BuildError`: no compiler, no ninja, a folder that cannot be written, a lock held for too long, or a source
    that does not compile; for "cuda" also a torch without CUDA, no nvcc, or one of another major version.
    """
    compiler = _compiler()
    version = _version(compiler)
    if device == "cuda":
        version = f"{version}, {_cuda_compiler()}"
    architecture = _cuda_architecture() if device == "cuda" else platform.machine()
    left_out = [source.name for source in _left_out()] if device == "cpu" else []
    key = "\n".join([device, torch.__version__, version, architecture, sources.digest(), *left_out])
    if functor:
        key = f"{key}\n{functor.namespace}"
    name = hashlib.sha256(key.encode()).hexdigest()[:16]
    refused = ""
    for parent in _parents():
        built = Build(parent / name / f"{_library(device, functor)}.so", version)
        if _is_whole(built.path):
            return built
        try:
            _build_once(device, compiler, built.path, functor)
            return built
        except OSError as error:
            refused = refused or f"cannot build in {built.path.parent}: {error}"
    raise BuildError(refused)


def _parents() -> Iterator[Path]:
    """Where libraries may lie: the cache; beside a home that cannot be written, a private folder for temporary files."""
    try:
        yield cache_folder() / "kernels"
    except RuntimeError as error:  # no HOME, and nobody in the user database
        raise BuildError(f"no folder for the kernel: {error} (set GANREG_CACHE)") from error
    if "GANREG_CACHE" not in os.environ and hasattr(os, "getuid"):
        try:
            private = Path(tempfile.gettempdir()) / f"ganreg-{os.getuid()}"
            private.mkdir(mode=0o700, exist_ok=True)
            found = private.lstat()
        except OSError:  # no such folder can be made: the reason of the first one is told
            return
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
            yield private / "kernels"  # nobody else can have put a library there


def _build_once(device: str, compiler: list[str], path: Path, functor: Functor | None) -> None:
    """Compile unless another process has by now.  Raises BuildError, and OSError where the folder cannot be written."""
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder.parent / f"{folder.name}.lock", timeout=LOCK_SECONDS):
            if _is_whole(path):
                return
            for left in folder.glob("attempt-*"):
                shutil.rmtree(left, ignore_errors=True)
            attempt = Path(tempfile.mkdtemp(prefix="attempt-", dir=folder))
            try:
                if functor:
                    functor.put_into(attempt)
                _compile(device, compiler, attempt, folder / "build.log", functor)
                (attempt / path.name).replace(path)
                _digest_file(path).write_text(_digest(path))
            finally:
                shutil.rmtree(attempt, ignore_errors=True)
    except filelock.Timeout as error:
        raise BuildError(f"another process has held {error.lock_file} for {LOCK_SECONDS:.0f} s") from error


def _compiler() -> list[str]:
    """$CXX, one program: torch's builder quotes it whole, so that arguments in it would be taken for its name."""
    said = os.environ.get("CXX", "").strip()
    if shutil.which(said):
        return [said]
    try:
        words = shlex.split(said)
    except ValueError as error:
        raise BuildError(f"CXX cannot be read: {error}") from error
    if len(words) > 1:
        raise BuildError(f"CXX must be one program, got '{said}'; put the words into a script")
    return words or ["c++"]


def _version(compiler: list[str]) -> str:
    if shutil.which(compiler[0]) is None:
        raise BuildError(f"no C++ compiler: '{compiler[0]}' is not on PATH")
    try:
        told = subprocess.run([*compiler, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"the C++ compiler '{shlex.join(compiler)}' does not run: {error}") from error
    return next(iter(told.stdout.splitlines()), shlex.join(compiler))


def _cuda_compiler() -> str:
    """nvcc's release, if torch's builder would find it and take it."""
    if torch.version.cuda is None:
        raise BuildError("this torch was built without CUDA")
    home = _cuda_home()
    nvcc = Path(home, "bin", "nvcc") if home else None
    if nvcc is None or not nvcc.is_file():
        where = f"in {home}" if home else "on PATH"
        raise BuildError(f"no CUDA compiler: there is no nvcc {torch.version.cuda.partition('.')[0]} {where} (set CUDA_HOME)")
    try:
        told = subprocess.run([nvcc, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"the CUDA compiler '{nvcc}' does not run: {error}") from error
    release = told.partition("release ")[2].partition(",")[0]
    if release.partition(".")[0] != torch.version.cuda.partition(".")[0]:
        raise BuildError(f"nvcc is of CUDA {release or 'unknown'}, and torch of CUDA {torch.version.cuda}")
    return f"nvcc {release}"


def _cuda_home() -> str | None:
    """Where torch's builder looks for nvcc: decided when that is imported, by CUDA_HOME, PATH, /usr/local/cuda."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.utils import cpp_extension

    return cpp_extension.CUDA_HOME


def _cuda_architecture() -> str:
    """The visible cards', as torch's builder takes them: 9.0, or 8.0;9.0."""
    found = {torch.cuda.get_device_capability(index) for index in range(torch.cuda.device_count())}
    if not found:
        raise BuildError("torch sees no CUDA device")
    return ";".join(f"{major}.{minor}" for major, minor in sorted(found))


def _compile(device: str, compiler: list[str], folder: Path, log: Path, functor: Functor | None) -> None:
    log.unlink(missing_ok=True)
    console = Console(stderr=True)
    what = f"the loss '{functor.name}'" if functor else "the loss kernel"
    told = f"compiling {what} for {device}, once (log: {log})"
    with console.status(told) if console.is_terminal else contextlib.nullcontext():
        try:
            if device == "cuda":
                _load_cuda_extension(folder, functor)
            else:
                _load_extension(_compile_apart(compiler, folder, functor), folder, functor)
        except _CompilerError as error:
            log.write_text(str(error))
            what = what if functor else "the kernel"
            raise BuildError(f"{what} does not compile (log: {log})", str(error), log) from error


class _CompilerError(Exception):
    """What the compiler printed."""


def _compile_apart(compiler: list[str], folder: Path, functor: Functor | None) -> list[str]:
    """All sources but one -> their object files, as many at once as there are processors.

    Torch's builder, which compiles the one that is left, links and loads, has one set of flags for all and here one job.
    """
    apart = [source for source in sources.cpu_sources() if source != _left_to_torch()]
    apart.sort(key=lambda source: sources.variant_flags(source) is None)  # the variants take longest
    with ThreadPoolExecutor(min(len(apart), os.cpu_count() or 1)) as pool:
        return list(pool.map(lambda source: _compile_one(compiler, source, folder, functor), apart))


def _left_to_torch() -> Path:
    faces = [source for source in sources.cpu_sources() if sources.variant_flags(source) is None]
    return min(faces, key=lambda source: source.stat().st_size)


def _compile_one(compiler: list[str], source: Path, folder: Path, functor: Functor | None) -> str:
    target = f"{source.stem}.apart.o"  # a plain name: ninja runs in the folder, and no shell splits a path
    flags = ("-DGANREG_LEFT_OUT",) if source in _left_out() else sources.variant_flags(source)
    if flags is None:
        flags = tuple(word for path in _include_paths() for word in ("-isystem", path))
    command = [*compiler, *_flags(sources.FLAGS, functor), *flags, "-c", str(source), "-o", target]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        raise _CompilerError(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")
    return target


def _flags(flags: tuple[str, ...], functor: Functor | None) -> tuple[str, ...]:
    return (*flags, *sources.FUNCTOR_FLAGS) if functor else flags


def _library(device: str, functor: Functor | None) -> str:
    return f"{functor.namespace if functor else 'ganreg'}_{device}"


def _include_paths() -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.utils import cpp_extension

    return [*cpp_extension.include_paths(), sysconfig.get_path("include")]


def _left_out() -> list[Path]:
    """Variants that this processor cannot run, which would take a third of the time: a library compiled here stays here."""
    can = processor_flags()
    return [source for source in sources.cpu_sources() if can and source.stem.endswith("_avx512") and not can >= AVX512]


def _load_extension(objects: list[str], folder: Path, functor: Functor | None) -> None:
    flags = list(_flags(sources.FLAGS, functor))
    _load(_library("cpu", functor), [str(_left_to_torch())], folder, extra_cflags=flags, extra_ldflags=objects)


def _load_cuda_extension(folder: Path, functor: Functor | None) -> None:
    with _environment(TORCH_CUDA_ARCH_LIST=_cuda_architecture()):
        files = [str(source) for source in sources.cuda_sources()]
        host = os.environ.get("CXX")  # torch's builder hands nvcc a host compiler of the name CC alone
        flags = [*_flags(sources.CUDA_FLAGS, functor), *(["-ccbin", host] if host and "CC" not in os.environ else [])]
        _load(_library("cuda", functor), files, folder, extra_cuda_cflags=flags)


def _load(name: str, files: list[str], folder: Path, **flags: Any) -> None:
    with _ninja_on_path(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's opinions about compilers belong into the log of a failure
        from torch.utils import cpp_extension

        try:
            cpp_extension.verify_ninja_availability()
        except RuntimeError as error:
            raise BuildError("no ninja: pip install ninja") from error
        try:
            cpp_extension.load(name, files, build_directory=str(folder), is_python_module=False, **flags)
        except (RuntimeError, OSError) as error:
            raise _CompilerError(str(error)) from error


@contextlib.contextmanager
def _ninja_on_path() -> Iterator[None]:
    """ninja from pip is not on PATH when Python is started by its path; one job keeps a small machine usable."""
    path = os.environ.get("PATH", "")
    with contextlib.suppress(ImportError):
        import ninja

        path = os.pathsep.join([ninja.BIN_DIR, path])
    with _environment(PATH=path, MAX_JOBS="1"):
        yield


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    """The process's environment with these, for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest_file(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _is_whole(path: Path) -> bool:
    try:
        return _digest_file(path).read_text() == _digest(path)
    except OSError:
        return False
