"""A folder of files takes its place: whole or not at all, where an export was before, and nobody else's file is touched.

While one export takes the place of another, the old one has the hidden name `.NAME.old`; whoever finds it there finishes what
was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ganreg.assembly import exported
from ganreg.engine import durable
from ganreg.errors import CheckpointError, RunBusyError, RunExistsError, StorageError

CARD = "README.md"
MAIN = ("generator.safetensors", "generator.pt2", "generator.onnx")
WRITTEN = frozenset({*MAIN, exported.CONFIG, exported.MANIFEST, CARD, "samples.png"})
"""Every name that an export may hold, for one whose manifest cannot be read."""


def check(out: Path, *, force: bool) -> None:
    """Whether a folder can be written there.  Raises RunExistsError, RunBusyError, StorageError.

    What is no export is never replaced.
    """
    if out.name in ("", ".."):
        raise RunExistsError("that folder has no name of its own here", at=str(out), fix="give another --out")
    try:
        if _old(out).is_dir():
            with alone(out):
                finish(out)
    except OSError as error:
        what = f"what an interrupted export left cannot be put in its place: {error.strerror or error}"
        raise StorageError(what, at=str(_old(out)), fix="give another --out") from error
    if not out.exists() and not out.is_symlink():
        return
    if out.is_dir() and not any(out.iterdir()):
        return
    if not out.is_dir() or not exported.says_export(out):
        raise RunExistsError("there is something else already", at=str(out), fix="give another --out")
    if not force:
        raise RunExistsError("there is an export already", at=str(out), fix="add --force, or give another --out")


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Nobody else writes there meanwhile: two would share the hidden folder.  Raises RunBusyError, OSError."""
    place = out.with_name(f".{out.name}.lock")
    try:
        lock = FileLock(place, timeout=0).acquire()
    except Timeout:
        raise RunBusyError("another process writes this export", at=str(out), fix="wait for its end") from None
    with lock:
        try:
            yield
        finally:
            place.unlink(missing_ok=True)  # before the release: whoever opened it meanwhile sees that it has no name


def take_place(part: Path, out: Path) -> None:
    """Give a whole folder its name.  An export that is there is replaced, what else lies in it stays; of a link the link alone.

    Raises OSError, and RunExistsError where a file that is not the export's is in the way.
    """
    finish(out)
    if out.is_dir() and not any(out.iterdir()):
        out.unlink() if out.is_symlink() else out.rmdir()
    if not out.exists():
        durable.rename(part, out)
        return
    clash = sorted(others(out) & {path.name for path in part.iterdir()})
    if clash and not out.is_symlink():
        what = f"{clash[0]} is not the export's and would be lost"
        raise RunExistsError(what, at=str(out), fix="move it, or give another --out")
    old = _old(out)
    durable.rename(out, old)
    try:
        durable.rename(part, out)
    except OSError:
        if not out.exists():
            old.rename(out)
        raise
    finish(out)


def finish(out: Path) -> None:
    """What was interrupted: the old export gets its name back, or what is not its own moves to the new one.  Raises OSError."""
    old = _old(out)
    if not old.is_dir() or not exported.says_export(old):
        return
    if not out.exists():
        old.rename(out)
        return
    if old.is_symlink():  # what it leads to was asked for by nobody
        old.unlink()
        return
    for name in others(old):
        if not (out / name).exists():
            (old / name).rename(out / name)
    if not others(old):
        for path in old.iterdir():
            path.unlink()
        old.rmdir()


def _old(out: Path) -> Path:
    return out.with_name(f".{out.name}.old")


def others(folder: Path) -> set[str]:
    """The names in it that are not the export's."""
    try:
        own = {*exported.manifest(folder), exported.MANIFEST, CARD}
    except CheckpointError:
        own = {*WRITTEN}
    return {path.name for path in folder.iterdir() if path.name not in own or path.is_dir()}
