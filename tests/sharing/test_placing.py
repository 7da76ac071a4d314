"""An export takes its place without a file lost, whatever interrupts it, and whoever else has files of the same names."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from ganreg.engine import durable
from ganreg.errors import RunBusyError, RunExistsError
from ganreg.sharing import folder, placing

CONFIG = {"format": "ganreg-generator", "format_version": 1}


def put(out: Path, *, weights: str = "first") -> None:
    folder.put({"config.json": json.dumps(CONFIG).encode(), "generator.safetensors": weights.encode()}, out)


def names(place: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in place.iterdir() if path.is_file()}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An export with files of somebody else beside it."""
    put(tmp_path / "e")
    (tmp_path / "e" / "thesis.txt").write_text("precious")
    (tmp_path / "e" / "photo.png").write_text("mine")
    (tmp_path / "e" / "samples").mkdir()
    (tmp_path / "e" / "samples" / "a.png").write_text("sampled")
    return tmp_path / "e"


def test_what_is_not_its_own_moves_to_the_new_one(out: Path):
    put(out, weights="second")

    kept = names(out)
    assert (kept["thesis.txt"], kept["photo.png"], kept["generator.safetensors"]) == ("precious", "mine", "second")
    assert (out / "samples" / "a.png").read_text() == "sampled"
    assert [path.name for path in out.parent.iterdir()] == ["e"]


def test_a_folder_of_files_that_are_only_called_as_ours_is_no_export(tmp_path: Path):
    for name in ("manifest.json", "config.json"):
        (tmp_path / name).write_text('{"name": "an extension"}')

    with pytest.raises(RunExistsError, match="there is something else already"):
        placing.check(tmp_path, force=True)


def test_of_a_damaged_manifest_only_what_we_write_is_replaced(out: Path):
    (out / "manifest.json").write_text("{")
    (out / "mine.json").write_text("mine")
    placing.check(out, force=True)
    put(out, weights="second")

    assert names(out).keys() >= {"thesis.txt", "photo.png", "mine.json"}


def test_a_file_of_somebody_else_in_the_way_is_not_replaced(out: Path):
    (out / "samples.png").write_text("mine")

    with pytest.raises(RunExistsError, match=r"GR108.*samples\.png is not the export's and would be lost"):
        folder.put({"config.json": json.dumps(CONFIG).encode(), "samples.png": b""}, out)
    assert names(out)["samples.png"] == "mine"
    assert names(out)["generator.safetensors"] == "first"


@pytest.mark.parametrize("point", ["rename", "rename.2", "after_rename", "after_rename.2"])
def test_wherever_it_fails_every_file_is_there_or_comes_back(out: Path, point: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganreg.engine.durable._passed", Counter())
    monkeypatch.setenv("GANREG_FAIL", f"{point}:ENOSPC")
    with pytest.raises(OSError, match="No space left"):
        put(out, weights="second")
    monkeypatch.delenv("GANREG_FAIL")
    with pytest.raises(RunExistsError, match="there is an export already"):
        placing.check(out, force=False)

    kept = names(out)
    assert (kept["thesis.txt"], kept["photo.png"]) == ("precious", "mine")
    assert kept["generator.safetensors"] == ("second" if point == "after_rename.2" else "first")
    put(out, weights="third")
    assert names(out)["generator.safetensors"] == "third"
    assert (out / "samples" / "a.png").read_text() == "sampled"
    assert [path.name for path in out.parent.iterdir()] == ["e"]


def test_killed_between_the_two_names_the_old_one_comes_back(out: Path):
    out.rename(out.with_name(".e.old"))

    with pytest.raises(RunExistsError, match="there is an export already"):
        placing.check(out, force=False)
    assert names(out)["thesis.txt"] == "precious"


def test_a_hidden_folder_of_that_name_that_is_nobodys_export_is_left_alone(out: Path):
    old = out.with_name(".e.old")
    old.mkdir()
    (old / "diary.txt").write_text("mine")

    with pytest.raises(OSError, match=r"\.e\.old"):
        put(out, weights="second")
    assert (names(old), names(out)["generator.safetensors"]) == ({"diary.txt": "mine"}, "first")


def test_of_a_link_the_link_alone_is_replaced(out: Path):
    before = names(out)
    (out.parent / "link").symlink_to(out.name)
    placing.check(out.parent / "link", force=True)
    put(out.parent / "link", weights="second")

    assert names(out) == before
    assert names(out.parent / "link")["generator.safetensors"] == "second"
    assert sorted(path.name for path in out.parent.iterdir()) == ["e", "link"]


def test_a_link_to_an_empty_folder_is_replaced_too(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    put(tmp_path / "link")

    assert names(tmp_path / "link")["generator.safetensors"] == "first"
    assert not names(tmp_path / "empty")


@pytest.mark.parametrize("place", [".", "..", "/"])
def test_a_folder_without_a_name_of_its_own_is_refused(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")

    with pytest.raises(RunExistsError, match=r"GR108.*has no name of its own"):
        placing.check(Path(place), force=True)


def test_whoever_looks_while_one_takes_the_place_of_another_moves_nothing(out: Path, monkeypatch: pytest.MonkeyPatch):
    renamed, looked = durable.rename, []

    def rename(old: Path, new: Path) -> None:
        renamed(old, new)
        if new.name == ".e.old":
            looked.append(new)
            with pytest.raises(RunBusyError, match="another process writes this export"):
                placing.check(out, force=True)

    monkeypatch.setattr(durable, "rename", rename)
    put(out, weights="second")

    assert (len(looked), names(out)["generator.safetensors"], names(out)["thesis.txt"]) == (1, "second", "precious")
