"""`ganreg completion`: the script lies where the shell looks, and the shell itself completes with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ganreg.cli import completion

from .conftest import Run

ROOT = Path(__file__).parents[2]
LOADER = "/usr/share/bash-completion/bash_completion"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR", "BASH_COMPLETION_USER_DIR", "SHELL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


PLACES = {
    "bash": ".local/share/bash-completion/completions/ganreg",
    "zsh": ".zfunc/_ganreg",
    "fish": ".config/fish/completions/ganreg.fish",
    "powershell": ".config/powershell/ganreg.ps1",
}


@pytest.mark.parametrize("shell", PLACES)
def test_the_script_is_written_where_the_shell_looks_once(run: Run, home: Path, shell: str):
    path = home / PLACES[shell]
    status, out, err = run("completion", "install", "--shell", shell)

    assert (status, err) == (0, "")
    assert out.startswith(f"written: {path}\n")
    assert f"'{path}'" in out.splitlines()[-1]
    assert "undo: " in out
    assert path.read_text() == run("completion", "show", "--shell", shell).out
    assert run("completion", "install", "--shell", shell).out == out.replace("written", "already there", 1)
    assert [one for one in home.rglob("*") if one.is_file()] == [path]


def test_an_older_one_of_ours_is_replaced_another_s_is_not(run: Run, home: Path):
    path = home / PLACES["fish"]
    path.parent.mkdir(parents=True)
    path.write_text("# _GANREG_COMPLETE, of an older release\n")
    assert run("completion", "install", "--shell", "fish").out.startswith("written: ")

    path.write_text("precious\n")
    status, _, err = run("completion", "install", "--shell", "fish")
    assert status == 2
    assert err.startswith("error[GR100]: a completion that is not ours is there already")
    assert path.read_text() == "precious\n"


def test_the_environment_moves_the_places(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BASH_COMPLETION_USER_DIR", str(home / "mine"))
    monkeypatch.setenv("ZDOTDIR", str(home / "z"))
    for shell in ("bash", "zsh"):
        assert run("completion", "install", "--shell", shell).status == 0

    assert (home / "mine/completions/ganreg").is_file()
    assert (home / "z/.zfunc/_ganreg").is_file()


def test_the_shell_is_that_of_the_environment_or_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch):
    assert run("completion", "show").err.startswith("error[GR100]: which shell this is cannot be told\n")
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert run("completion", "show").err.startswith("error[GR100]: there is no completion for the shell 'tcsh'\n")
    monkeypatch.setenv("SHELL", "/usr/bin/pwsh")
    assert "Register-ArgumentCompleter" in run("completion", "show").out
    monkeypatch.setenv("SHELL", "/bin/zsh")
    assert run("completion", "show").out.startswith("#compdef ganreg\n")


def test_bash_without_its_loader_is_told_the_line(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(completion, "BASH_COMPLETION", ())
    lines = run("completion", "install", "--shell", "bash").out.splitlines()

    assert lines[1:3] == [
        "bash-completion is not installed; without it, add this line to ~/.bashrc, unless it is there:",
        f"  source '{home / PLACES['bash']}'",
    ]
    assert lines[3].endswith(", and take the line out")


def test_a_place_that_cannot_be_written_is_a_storage_error(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", "/dev/null")

    assert run("completion", "install", "--shell", "fish").err.startswith("error[GR501]: the completion cannot be written: ")


def of_shell(*command: str, home: Path) -> list[str]:
    """What a real shell says, with a `ganreg` on its path."""
    tools = home.parent / "tools"
    tools.mkdir(exist_ok=True)
    script = tools / "ganreg"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ganreg "$@"\n')
    script.chmod(0o755)
    told = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    ran = subprocess.run(command, capture_output=True, text=True, env=told, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


ASK_BASH = "COMP_WORDS=(ganreg train --loss h); COMP_CWORD=3; _ganreg_completion ganreg; echo ${COMPREPLY[*]}"


def test_a_real_bash_completes_with_it(run: Run, home: Path):
    run("completion", "install", "--shell", "bash")

    assert of_shell("bash", "--norc", "-c", f"source '{home / PLACES['bash']}'; {ASK_BASH}", home=home) == ["hinge"]


@pytest.mark.skipif(not Path(LOADER).is_file(), reason="bash-completion is not installed")
def test_bash_completion_finds_it_by_itself(run: Run, home: Path):
    run("completion", "install", "--shell", "bash")
    load = f"source {LOADER}; if declare -F _comp_load >/dev/null; then _comp_load ganreg; else _completion_loader ganreg; fi"

    assert of_shell("bash", "--norc", "-c", f"{load}; {ASK_BASH}", home=home) == ["hinge"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_a_real_fish_completes_with_it(run: Run, home: Path):
    run("completion", "install", "--shell", "fish")

    assert "hinge" in " ".join(of_shell("fish", "-c", "complete --do-complete 'ganreg train --loss h'", home=home))


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_a_real_zsh_finds_it_in_its_fpath(run: Run, home: Path):
    run("completion", "install", "--shell", "zsh")
    ask = f"fpath=({home}/.zfunc $fpath); autoload -Uz compinit; compinit -u -D; echo $_comps[ganreg]"

    assert of_shell("zsh", "-f", "-c", ask, home=home) == ["_ganreg"]
