"""A word that no file can be named is refused as a word, wherever a path is asked for."""

from pathlib import Path

import pytest

from ganreg.cli.paths import expanded
from ganreg.errors import UsageError
from tests.cli.conftest import Run


@pytest.mark.parametrize("words", [["sample"], ["checkpoint", "verify"], ["train", "-c"]])
@pytest.mark.parametrize(("name", "why"), [("a\0b", "null"), ("x" * 300, "name too long")])
def test_a_name_that_no_file_can_have_is_told(run: Run, words: list[str], name: str, why: str):
    ran = run(*words, name)

    assert ran.status == 2
    assert "no file can be named" in ran.err or "the configuration file" in ran.err
    assert why in ran.err.lower()
    assert len(ran.err) < 600


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
def test_a_run_directory_that_cannot_be_named_is_one_that_cannot_be_made(run: Run, name: str):
    ran = run("train", "--dry-run", "--out", name)

    assert ran.status == 6
    assert ran.err.startswith("error[GR501]: the run directory")


def test_a_plugin_file_with_a_name_that_no_file_can_have_is_told(run: Run):
    ran = run("list", "--plugin", "x" * 300)

    assert ran.status == 2
    assert "the plugin file cannot be opened: File name too long" in ran.err


def test_the_home_of_nobody_is_told():
    assert expanded("~/x") == Path.home() / "x"
    with pytest.raises(UsageError, match="there is no home folder of '~no-such-user'"):
        expanded("~no-such-user/x")
