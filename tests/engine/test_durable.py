"""Files that are whole or not there."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ganreg.engine import durable


def test_a_file_is_hashed_while_it_is_written(tmp_path: Path):
    content = os.urandom(3 * durable.CHUNK + 7)

    told = durable.write(tmp_path / "a", content)

    assert (tmp_path / "a").read_bytes() == content
    assert told == (hashlib.sha256(content).hexdigest(), len(content))


def test_what_is_there_already_is_never_written_through(tmp_path: Path):
    (tmp_path / "target").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "nowhere").symlink_to(tmp_path / "made by us")

    for name in ("target", "link", "nowhere"):
        with pytest.raises(FileExistsError):
            durable.write(tmp_path / name, b"ours")

    assert (tmp_path / "target").read_text() == "theirs"
    assert not (tmp_path / "made by us").exists()


def test_replacing_a_link_leaves_its_target_alone(tmp_path: Path):
    (tmp_path / "target").write_text("theirs")
    (tmp_path / "latest").symlink_to(tmp_path / "target")
    (tmp_path / ".latest.part").symlink_to(tmp_path / "target")

    durable.replace(tmp_path / "latest", b"ours")

    assert (tmp_path / "target").read_text() == "theirs"
    assert not (tmp_path / "latest").is_symlink()
    assert (tmp_path / "latest").read_bytes() == b"ours"


def test_what_is_written_piece_by_piece_takes_its_place_when_it_is_whole(tmp_path: Path):
    (tmp_path / "target").write_text("theirs")
    (tmp_path / "a").symlink_to(tmp_path / "target")

    with durable.replacing(tmp_path / "a") as file:
        file.write(b"one, ")
        assert (tmp_path / "a").read_bytes() == b"theirs"
        file.write(b"two")

    assert (tmp_path / "a").read_bytes() == b"one, two"
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "target").read_text() == "theirs"


def test_what_broke_off_leaves_the_old_content_and_no_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a").write_text("old")

    with pytest.raises(ZeroDivisionError), durable.replacing(tmp_path / "a") as file:
        file.write(b"new" * (1 // 0))
    durable._passed.clear()
    monkeypatch.setenv("GANREG_FAIL", "fsync:ENOSPC")
    with pytest.raises(OSError, match="No space left"), durable.replacing(tmp_path / "a") as file:
        file.write(b"new")

    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("a", "old")]


def test_two_processes_that_write_one_file_take_turns_to_be_whole(tmp_path: Path):
    program = """
import sys, time; from pathlib import Path; from ganreg.engine import durable
with durable.replacing(Path("a")) as file:
    file.write(b"theirs, half"); file.flush()
    print("half", flush=True); sys.stdin.read()
    file.write(b" and whole")
"""
    other = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"half\n"
        with durable.replacing(tmp_path / "a") as file:
            file.write(b"ours")
        ours = (tmp_path / "a").read_bytes()
        other.communicate(timeout=60)
    finally:
        other.kill()
        other.wait()

    assert (ours, other.returncode) == (b"ours", 0)
    assert (tmp_path / "a").read_bytes() == b"theirs, half and whole"
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_what_killed_processes_left_is_gone_and_nothing_else(tmp_path: Path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(timeout=60)
    for name in (f".a.{gone.pid}.part", f".a.{os.getpid()}.part", f".a.{os.getppid()}.part", ".a.mine.part", ".a..part"):
        (tmp_path / name).write_text("")

    with durable.replacing(tmp_path / "a") as file:
        file.write(b"new")

    assert {one.name for one in tmp_path.iterdir()} == {"a", ".a..part", f".a.{os.getppid()}.part", ".a.mine.part"}


@pytest.mark.parametrize(
    ("of_directory", "umask", "of_file"),
    [
        (0o755, 0o022, 0o644),
        (0o700, 0o022, 0o600),
        (0o775, 0o002, 0o664),  # shared by a group, whose umask says so
        (0o775, 0o022, 0o644),
        (0o1777, 0o022, 0o644),  # as /tmp
        (0o755, 0o077, 0o600),
    ],
)
def test_a_file_may_be_read_by_whoever_may_read_its_directory_as_far_as_the_umask_goes(
    of_directory: int, umask: int, of_file: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(durable, "UMASK", umask)
    place = tmp_path / "place"
    place.mkdir()
    place.chmod(of_directory)

    durable.write(place / "a", b"1")

    assert stat.S_IMODE((place / "a").stat().st_mode) == of_file


def test_the_umask_is_that_of_the_process_and_stays_as_it_was():
    program = "import os; from ganreg.engine import durable; print(durable.UMASK, os.umask(0))"
    told = subprocess.run(
        [sys.executable, "-c", f"import os; os.umask(0o027); {program}"], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.split() == [str(0o027)] * 2


def test_a_fail_point_breaks_at_the_time_that_was_asked_for(monkeypatch: pytest.MonkeyPatch):
    durable._passed.clear()
    monkeypatch.setenv("GANREG_FAIL", "write.2:ENOSPC")

    durable.fail_point("write")
    durable.fail_point("fsync")
    with pytest.raises(OSError, match="No space left") as told:
        durable.fail_point("write")
    durable.fail_point("write")

    assert told.value.errno == errno.ENOSPC
