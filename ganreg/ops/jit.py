"""Compile the CPU library on first use: some seconds once per machine, then it is found in the cache.

One folder per (torch, compiler, sources).  An operating system's lock, which dies with its holder, lets one process
compile while the others wait; torch's own lock file survives a killed build and would stop every later start, so it is
deleted once ours is held.  A digest written last says that the library is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock
import torch
from rich.console import Console

from ganreg.ops import sources

LOCK_SECONDS = 120.0
"""How long to wait for another process that compiles; a build takes about five seconds."""

NAME = "ganreg_cpu"


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


def build() -> Build:
    """The library for this torch, compiler and source, compiled now if it is not in the cache.

    Raises `BuildError`: no compiler, no ninja, a folder that cannot be written, a lock held for too long, or a source
    that does not compile.
    """
    compiler = _compiler()
    version = _version(compiler)
    key = "\n".join([torch.__version__, version, platform.machine(), sources.digest()])
    try:
        parent = cache_folder() / "kernels"
    except RuntimeError as error:  # no HOME, and nobody in the user database
        raise BuildError(f"no folder for the kernel: {error} (set GANREG_CACHE)") from error
    folder = parent / hashlib.sha256(key.encode()).hexdigest()[:16]
    built = Build(folder / f"{NAME}.so", version)
    if _is_whole(built.path):
        return built
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(parent / f"{folder.name}.lock", timeout=LOCK_SECONDS):
            if not _is_whole(built.path):
                _compile(compiler, folder)
                _digest_file(built.path).write_text(_digest(built.path))
    except filelock.Timeout as error:
        raise BuildError(f"another process has held {error.lock_file} for {LOCK_SECONDS:.0f} s") from error
    except OSError as error:
        raise BuildError(f"cannot build in {folder}: {error}") from error
    return built


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


def _compile(compiler: list[str], folder: Path) -> None:
    log = folder / "build.log"
    for left in (folder / "lock", folder / f"{NAME}.so", log):
        left.unlink(missing_ok=True)
    console = Console(stderr=True)
    told = f"compiling the loss kernel, once (log: {log})"
    with console.status(told) if console.is_terminal else contextlib.nullcontext():
        try:
            objects = [_compile_variant(compiler, source, folder) for source in sources.cpu_sources()]
            _load_extension([name for name in objects if name is not None], folder)
        except _CompilerError as error:
            log.write_text(str(error))
            raise BuildError(f"the kernel does not compile (log: {log})", str(error), log) from error


class _CompilerError(Exception):
    """What the compiler printed."""


def _compile_variant(compiler: list[str], source: Path, folder: Path) -> str | None:
    """A variant -> its object file; torch's builder has one set of flags for all, variants have their own."""
    flags = sources.variant_flags(source)
    if flags is None:
        return None
    target = f"{source.stem}.variant.o"  # a plain name: ninja runs in the folder, and no shell splits a path
    command = [*compiler, *sources.FLAGS, *flags, "-c", str(source), "-o", target]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        raise _CompilerError(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")
    return target


def _load_extension(objects: list[str], folder: Path) -> None:
    with _ninja_on_path(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's opinions about compilers belong into the log of a failure
        from torch.utils import cpp_extension

        try:
            cpp_extension.verify_ninja_availability()
        except RuntimeError as error:
            raise BuildError("no ninja: pip install ninja") from error
        try:
            cpp_extension.load(
                NAME,
                [str(source) for source in sources.cpu_sources() if sources.variant_flags(source) is None],
                extra_cflags=list(sources.FLAGS),
                extra_ldflags=objects,
                build_directory=str(folder),
                is_python_module=False,
            )
        except RuntimeError as error:
            raise _CompilerError(str(error)) from error


@contextlib.contextmanager
def _ninja_on_path() -> Iterator[None]:
    """ninja from pip is not on PATH when Python is started by its path; one job keeps a small machine usable."""
    before = {name: os.environ.get(name) for name in ("PATH", "MAX_JOBS")}
    os.environ["MAX_JOBS"] = "1"
    with contextlib.suppress(ImportError):
        import ninja

        os.environ["PATH"] = os.pathsep.join([ninja.BIN_DIR, os.environ.get("PATH", "")])
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
