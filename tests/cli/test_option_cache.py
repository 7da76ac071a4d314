"""The settings that TAB knows without importing a part."""

import os
from pathlib import Path

import pytest

from ganreg.cli import option_cache
from ganreg.contracts import Component
from ganreg.settings import Setting

KNOWN = [Setting("width", "int", "8", "how wide", False, ("1", "2"))]


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Component:
    (tmp_path / "one_part.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    return Component("loss", "one", "one_part:Loss", "A loss.")


def test_what_was_remembered_is_recalled_without_an_import(part: Component):
    assert option_cache.recall(part) == []
    option_cache.remember(part, KNOWN)

    assert option_cache.recall(part) == KNOWN


def test_a_module_that_changed_is_not_believed(part: Component, tmp_path: Path):
    option_cache.remember(part, KNOWN)
    os.utime(tmp_path / "one_part.py", ns=(1, 1))

    assert option_cache.recall(part) == []


@pytest.mark.parametrize("content", ["", "[]", '{"key": 1}', "\x00", '{"key": [], "settings": 3}'])
def test_a_damaged_file_is_no_fault(part: Component, tmp_path: Path, content: str):
    option_cache.remember(part, KNOWN)
    for file in (tmp_path / "cache" / "options").iterdir():
        file.write_text(content)

    assert option_cache.recall(part) == []


def test_a_cache_that_cannot_be_written_is_no_fault(part: Component, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GANREG_CACHE", "/dev/null")
    option_cache.remember(part, KNOWN)

    assert option_cache.recall(part) == []
