"""docs/export.md is true: its programs run, the one of ONNX without torch, and its commands are understood."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ganreg.cli import VERBS, main

PAGE = (Path(__file__).parents[1] / "docs" / "export.md").read_text(encoding="utf-8")
GANREG, TORCH, ONNX = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [shlex.split(line, comments=True)[1:] for line in re.findall(r"^ganreg .*$", PAGE, re.MULTILINE)]
TOLD_NO_CLASS = ("--generator", "mlp", "--set", "generator.hidden=[8]", "--resolution", "8")
AS_IT_COMES = ("--generator", "dcgan")  # told the class
RUNS = [(TOLD_NO_CLASS, "8 8"), (AS_IT_COMES, "16 16")]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANREG_KERNEL", "reference")
    return tmp_path


def ran(program: str, place: Path) -> list[str]:
    """Its words, and the packages that it imported."""
    code = f"{program}\nimport sys\nprint(*({{'torch', 'ganreg'}} & {{*sys.modules}}))"
    told = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, env=told, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("choice", "size"), RUNS)
def test_the_commands_about_a_run_work_and_the_programs_run(place: Path, choice: tuple[str, ...], size: str):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    local = [words for words in COMMANDS if words[0] in ("export", "sample") and "their-generator" not in words]

    assert main(["train", *choice, "--steps", "2", "--quiet", "--out", "runs/0001"]) == 0
    assert len(local) == 5
    for words in local:
        assert main(words) == 0
    samples, imported = ran(ONNX, place)
    assert samples.startswith(f"(16, 1, {size.replace(' ', ', ')}) float32 ")
    assert imported == ""
    assert ran(TORCH, place) == [f"16 1 {size}", "torch"]
    assert ran(GANREG, place)[0] == f"16 1 {size}"


def test_every_command_is_a_verb_with_these_options():
    import importlib

    for words in COMMANDS:
        module, _, attribute = VERBS[words[0]][0].partition(":")
        options = {name for one in getattr(importlib.import_module(module), attribute).params for name in one.opts}
        assert {word for word in words if word.startswith("-")} <= options
