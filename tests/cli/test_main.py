"""`ganreg` itself: what it answers, how it fails, what status it leaves with."""

import importlib
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import click
import pytest

import ganreg as package
from ganreg.cli import VERBS, ganreg
from ganreg.plugins import PluginWarning

from .conftest import Run

ROOT = Path(__file__).parents[2]


def python(*words: str, environment: dict[str, str] | None = None, shell: str = "") -> subprocess.CompletedProcess[str]:
    """`python -m ganreg` in a process of its own, a shell's redirections behind it."""
    line = f"'{sys.executable}' -m ganreg {' '.join(words)} {shell}"
    told = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=told, timeout=100, check=False)


def test_the_version_is_the_package_s(run: Run):
    assert run("--version") == (0, f"ganreg {package.__version__}\n", "")


def test_help_names_every_verb_with_its_line(run: Run):
    status, out, _ = run("--help")

    assert status == 0
    for verb, (_, summary) in VERBS.items():
        assert re.search(rf"^  {verb} +{re.escape(summary)}$", out, flags=re.MULTILINE)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_where_the_table_says_and_says_what_the_table_says(verb: str):
    place, summary = VERBS[verb]
    module, _, attribute = place.partition(":")
    command = getattr(importlib.import_module(module), attribute)

    assert isinstance(command, click.Command)
    assert command.name == verb
    assert command.get_short_help_str(200) == summary


def test_nothing_asked_is_help_on_stderr_and_a_usage_error(run: Run):
    status, out, err = run()

    assert (status, out) == (2, "")
    assert err.startswith("Usage: ganreg")


def test_a_misspelt_verb_is_told_the_nearest(run: Run):
    status, out, err = run("trian")

    assert (status, out) == (2, "")
    assert err.splitlines()[0].startswith(
        "error[GR100]: there is no command 'trian'. Did you mean 'train'? Known: train, list,"
    )
    assert err.splitlines()[1:] == ["  at: ganreg", "  fix: ganreg --help"]


def test_a_misspelt_option_is_told_the_nearest(run: Run):
    assert run("list", "--jsn") == (
        2,
        "",
        "error[GR100]: there is no option '--jsn'. Did you mean '--json'?\n  at: ganreg list\n  fix: ganreg list --help\n",
    )


def test_click_s_own_complaints_have_our_form(run: Run):
    status, out, err = run("plugins", "new")

    assert (status, out) == (2, "")
    assert err == "error[GR100]: Missing argument 'NAME'\n  at: ganreg plugins new\n  fix: ganreg plugins new --help\n"


def test_a_verb_that_needs_a_run_says_which_word_always_does(run: Run):
    assert run("sample").err == "error[GR100]: Missing argument 'RUN'\n  at: ganreg sample\n  fix: ganreg sample latest\n"


def test_an_error_nobody_foresaw_is_three_lines_and_70(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganreg.cli.output.table", lambda *_: 1 / 0)
    status, out, err = run("list")

    assert (status, out) == (70, "")
    first, at, fix = err.splitlines()
    assert first == "error[GR902]: ZeroDivisionError: division by zero"
    assert re.fullmatch(r"  at: .*test_main\.py:\d+", at)
    assert fix == "  fix: see the traceback with --debug, and report it"


def test_debug_shows_the_traceback_and_changes_no_status(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganreg.cli.output.table", lambda *_: 1 / 0)
    status, _, err = run("list", "--debug")

    assert status == 70
    assert "Traceback (most recent call last)" in err
    assert "Traceback" in run("show", "loss", "hing", "--debug").err
    assert "Traceback" not in run("show", "loss", "hing").err


def test_an_interrupt_is_130_and_a_word(run: Run, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ganreg.cli.output.table", interrupt)

    assert run("list") == (130, "", "interrupted\n")


@pytest.mark.filterwarnings("default")
def test_a_warning_of_ours_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch):
    def warn(*_: object) -> None:
        warnings.warn("the plugin is odd", PluginWarning, stacklevel=1)

    monkeypatch.setattr("ganreg.cli.output.table", warn)

    assert run("list") == (0, "", "warning: the plugin is odd\n")


def test_control_characters_are_shown_and_not_sent(run: Run):
    status, _, err = run("show", "loss", "a\x1b[31mb")

    assert status == 2
    assert "\x1b" not in err
    assert r"'a\x1b[31mb'" in err


def test_a_reader_that_leaves_early_gets_no_traceback():  # C13
    ran = python("list", shell="2> err | head -1 > out; echo ${PIPESTATUS[0]}")

    assert ran.stdout == "0\n"
    assert Path("err").read_text() == ""
    assert Path("out").read_text().startswith("kind")


def test_a_closed_stdout_and_a_c_locale_change_no_status():  # C13
    plain = {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    closed = python("list", shell=">&-")
    ascii_only = python("show", "loss", "bce", environment=plain)

    assert (closed.returncode, closed.stderr) == (0, "")
    assert (ascii_only.returncode, ascii_only.stderr) == (0, "")


def test_a_verb_of_a_plugin_is_a_verb(run: Run, plugin_file: Path):
    assert "  greet       Say hello." in run("--plugin", str(plugin_file), "--help").out
    assert run("--plugin", str(plugin_file), "greet", "you") == (0, "hello you\n", "")
    assert run("greet", "you").status == 2


@pytest.mark.filterwarnings("default")
def test_a_plugin_cannot_take_the_place_of_a_verb(run: Run, plugin_file: Path):
    plugin_file.write_text(plugin_file.read_text().replace('command("greet")', 'command("list")'))
    status, out, err = run("--plugin", str(plugin_file), "--help")

    assert status == 0
    assert out.count("\n  list ") == 1
    assert err == f"warning: the command 'list' of plugin {plugin_file} is left out: there is one already\n"


@pytest.mark.filterwarnings("default")
def test_a_broken_plugin_is_one_line_and_harms_nothing(run: Run, install):
    install("broken")
    status, out, err = run("list", "losses")

    assert status == 0
    assert "hinge" in out
    assert len(err.splitlines()) == 1
    assert err.startswith("warning: plugin ganreg-broken 0.1 (broken) is left out: ")


def test_a_plugin_file_that_is_not_there_is_a_usage_error(run: Run):
    status, _, err = run("list", "--plugin", "none.py")

    assert status == 2
    assert err.splitlines()[:2] == ["error[GR100]: the plugin file does not exist", "  at: --plugin none.py"]


def test_a_plugin_left_out_is_left_out(run: Run):
    status, out, err = run("list", "--no-plugin", "builtin")

    assert (status, out, err) == (0, "", "there are no parts here\n")


QUICK = [
    ["--help"],
    ["list"],
    ["data", "--help"],
    ["data", "check", "--help"],
    ["plugins", "list"],
    ["train", "--help"],
    ["train", "--generatr", "x"],
]


@pytest.mark.parametrize("words", QUICK, ids=" ".join)
def test_a_quick_answer_imports_neither_torch_nor_rich(words: list[str]):
    program = (
        f"import sys; from ganreg.cli import main; main({words!r}); print(); print({{'torch', 'rich'}} & {{*sys.modules}})"
    )
    told = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=told, check=False, timeout=60)

    assert ran.stdout.splitlines()[-1] == "set()", ran.stderr


def test_the_group_is_what_click_tools_expect():
    assert isinstance(ganreg, click.Group)
