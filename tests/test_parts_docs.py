"""The commands of docs/parts.md work, one after the other, as a reader would type them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ganreg.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "parts.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    """Those in blocks, and whole ones in the text; lines that end in a backslash go on."""
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`(ganreg train [^`]+)`", PAGE)
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("ganreg ")]


def shortened(words: list[str]) -> list[str]:
    """Three steps, little data."""
    words = ["3" if before == "--steps" else word for before, word in zip(["", *words], words, strict=False)]
    if words[0] == "train" and "--steps" not in words:
        words += ["--steps", "3"]
    return [*words, "--quiet", "--batch-size", "8"] if words[0] == "train" else words


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_its_commands_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    asked = commands()

    assert len(asked) == 6
    for words in asked:
        assert main(shortened(words)) == 0, capsys.readouterr().err
    assert len(list(Path("runs").glob("*/samples/sample-*-class*.png"))) == 2
