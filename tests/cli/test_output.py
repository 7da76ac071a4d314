"""What reaches the terminal."""

import sys

import pytest

from ganreg.cli import output


def test_a_piped_table_is_aligned_text(capsys: pytest.CaptureFixture[str]):
    output.table(("name", "why"), [("a", "x y"), ("long", "")])

    assert capsys.readouterr().out == "name  why\na     x y\nlong\n"


def test_a_cell_with_a_newline_stays_in_its_row(capsys: pytest.CaptureFixture[str]):
    output.table(("name",), [("a\nb\x1b[2J",)])

    assert capsys.readouterr().out == "name\na\\nb\\x1b[2J\n"


def test_a_stream_that_was_closed_takes_everything(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdout", None)
    with output.prepared():
        output.say("to nobody")

    assert sys.stdout is not None
    sys.stdout.close()


def test_a_letter_that_the_locale_lacks_is_no_fault(tmp_path, monkeypatch: pytest.MonkeyPatch):
    with (tmp_path / "out").open("w", encoding="ascii") as plain:
        monkeypatch.setattr(sys, "stdout", plain)
        with output.prepared():
            output.say("D(x) … ½")

    assert (tmp_path / "out").read_text() == "D(x) ? ?\n"
