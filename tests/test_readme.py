"""The README is true: its Python runs, its commands parse, its two installation commands are those of .ci/run."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language; "" for those of commands."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [text for name, text in fenced if name == language]


def commands() -> list[list[str]]:
    lines = [line for block in blocks("") for line in block.splitlines() if line.startswith("ganreg ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def about_a_run(words: list[str]) -> bool:
    return "--resume" in words or words[0] in ("sample", "evaluate", "report", "compare", "export")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory as a reader would have it: the plugin file, some photos, a finished run."""
    from PIL import Image

    (tmp_path / "mine.py").write_text(blocks("python")[-1])
    (tmp_path / "photos").mkdir()
    for index in range(64):
        Image.effect_noise((80, 70), 40 + index).save(tmp_path / "photos" / f"{index}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(words: list[str]) -> int:
    from ganreg.cli import main

    try:
        code = main(words)
    except SystemExit as end:
        code = end.code
    return int(code or 0)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]):
    names: dict[str, object] = {"__name__": "readme"}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)

    out = capsys.readouterr().out
    assert "L_D" in out
    assert "L_G" in out


@pytest.mark.parametrize("block", [0, -1])
def test_the_shortest_program_and_the_plugin_are_ten_lines_beside_their_imports(block: int):
    lines = [line for line in blocks("python")[block].splitlines() if line and not line.startswith(("import", "from"))]

    assert len(lines) <= 10


@pytest.mark.slow
@pytest.mark.parametrize("words", [words for words in commands() if not about_a_run(words)], ids=" ".join)
def test_a_command_of_the_readme_is_understood(words: list[str], place: Path, capsys: pytest.CaptureFixture[str]):
    if "photos-64.zip" in words and "pack" not in words:
        shutil.make_archive("photos-64", "zip", "photos")
    dry = ["--dry-run"] if words[0] == "train" and "--help" not in words and "--dry-run" not in words else []

    assert run([*words, *dry]) == 0, capsys.readouterr().err


@pytest.mark.slow
def test_the_commands_about_a_finished_run_work(place: Path, capsys: pytest.CaptureFixture[str]):
    narrow = ["--generator.width", "4", "--discriminator.width", "4", "--steps", "4", "--quiet"]
    for _ in range(2):
        assert run(["train", "--generator", "dcgan", *narrow]) == 0
    about = [words for words in commands() if about_a_run(words)]

    assert len(about) == 8
    for words in about:
        shorter = ["6" if word == "12000" else word for word in words]
        assert run(shorter) == 0, capsys.readouterr().err


def test_the_two_installation_commands_come_first_and_ci_runs_the_second():
    installing = re.findall(r"^pip install .*$", README, flags=re.MULTILINE)

    assert installing == [
        "pip install -c constraints.txt . && ganreg train --generator dcgan",
        "pip install -c constraints.txt -e '.[test]' && pytest",
    ]
    assert "grep -m1 \"^pip install -c constraints.txt -e '.\\[test\\]'\" README.md" in (ROOT / ".ci" / "run").read_text()


def test_every_file_the_readme_points_to_is_there():
    for target in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_the_figures_are_those_of_the_committed_results():
    spec = importlib.util.spec_from_file_location("tell", ROOT / "benchmarks" / "tell.py")
    tell = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tell)

    assert tell.told(README) == README
    assert tell.told(README.replace("median of seeds", "mean of seeds")) == README
