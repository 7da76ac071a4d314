"""Numbers and choices on the command line: what is refused, and what was meant."""

from __future__ import annotations

import ast
from pathlib import Path

import click
import pytest

from ganreg.cli.words import Choice, FiniteRange
from tests.cli.conftest import Run

FILES = sorted((Path(__file__).parents[2] / "ganreg" / "cli").glob("*.py"))


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "NaN"])
def test_no_range_holds_what_is_not_finite(word: str):
    with pytest.raises(click.BadParameter, match=r"is not a finite number|is not in the range"):
        FiniteRange(0.0, 2.0).convert(word, None, None)
    with pytest.raises(click.BadParameter, match=f"{word} is not a finite number"):
        FiniteRange().convert(word, None, None)

    assert FiniteRange(0.0, 2.0).convert("2", None, None) == 2.0


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("sample", "x", "--interpolate", "2", "--fps", "nan"), "--fps"),
        (("sample", "x", "--truncation", "nan"), "--truncation"),
        (("plugins", "check", "x", "--timeout", "nan"), "--timeout"),
        (("plugins", "check", "x", "--timeout", "inf"), "--timeout"),
    ],
)
def test_every_number_of_the_command_line_is_finite(run: Run, words: tuple[str, ...], option: str):
    status, out, err = run(*words)

    assert (status, out) == (2, "")
    assert err.startswith(f"error[GR100]: Invalid value for '{option}': {words[-1]} is not ")


def test_the_choice_that_was_meant_is_named():
    with pytest.raises(click.BadParameter, match=r"'onx' is not one of 'pt2', 'onnx'\. Did you mean 'onnx'\?"):
        Choice(["pt2", "onnx"]).convert("onx", None, None)
    with pytest.raises(click.BadParameter, match=r"'7' is not one of 'pt2', 'onnx'\.$"):
        Choice(["pt2", "onnx"]).convert("7", None, None)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("push", "x", "me/x", "--format", "onx"), "onnx"),
        (("completion", "install", "--shell", "bsh"), "bash"),
        (("train", "--precision", "bf61"), "bf16"),
        (("train", "--generator", "dcgan", "--generator.conditioning", "conct"), "concat"),
        (("bench", "step", "--precision", "bf61"), "bf16"),
    ],
)
def test_every_command_names_it(run: Run, words: tuple[str, ...], meant: str):
    status, _, err = run(*words)

    assert status == 2
    assert f". Did you mean '{meant}'?\n" in err


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_options_take_these_types_not_the_ones_they_refine(file: Path):
    if file.stem == "words":
        return
    used = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }

    assert not used & {"click.FloatRange", "click.FLOAT", "click.Choice"}
