"""`ganreg plugins list`: who is there, and who could not be used and why."""

import json
from collections import Counter

import pytest

import ganreg
from ganreg.components import builtin
from ganreg.contracts import KINDS, PLURALS

from .conftest import Run


def test_the_built_in_parts_are_a_plugin_like_any_other(run: Run):
    status, out, err = run("plugins", "list")

    assert (status, err) == (0, "")
    headings, row = (" ".join(line.split()) for line in out.splitlines())
    kinds = Counter(one.kind for one in builtin.ganreg_components())
    counted = ", ".join(f"{kinds[kind]} {PLURALS[kind]}" for kind in KINDS if kind in kinds)
    assert headings == "name distribution version status components hooks file reason"
    assert row == (f"builtin ganreg {ganreg.__version__} ok {counted} components, recipes {builtin.__file__}")


@pytest.mark.filterwarnings("default")
def test_a_broken_plugin_is_listed_with_its_reason(run: Run, install):
    install("foo", "broken")
    status, out, err = run("plugins", "list", "--json")
    found = {one["name"]: one for one in json.loads(out)}

    assert status == 0
    assert len(err.splitlines()) == 1
    assert found["broken"]["status"] == "broken"
    assert found["broken"]["reason"]
    assert found["foo"]["status"] == "ok"
    assert "loss lonely" in found["foo"]["components"]
    assert "ganreg_components" in found["foo"]["hooks"]
    assert found["foo"]["file"].endswith("ganreg_foo_plugin.py")


def test_a_plugin_left_out_is_blocked(run: Run, install, monkeypatch: pytest.MonkeyPatch):
    install("foo")
    monkeypatch.setenv("GANREG_PLUGINS", "off")

    assert [row.split()[:4] for row in run("plugins", "list").out.splitlines()][-1] == ["foo", "ganreg-foo", "1.0", "blocked"]


@pytest.mark.filterwarnings("default")
def test_a_plugin_for_another_interface_is_incompatible(run: Run, plugin):
    plugin("new", "GANREG_API = 99\n")
    row = next(row for row in run("plugins", "list").out.splitlines() if row.startswith("new"))

    assert row.split()[1:4] == ["ganreg-new", "1.0", "incompatible"]
    assert "it needs plugin interface 99" in row


@pytest.mark.filterwarnings("default")
def test_a_plugin_whose_verbs_fail_is_broken(run: Run, plugin):
    plugin("bad", "import ganreg\n@ganreg.hookimpl\ndef ganreg_commands():\n    raise OSError('no verbs today')\n    yield\n")
    row = next(row for row in run("plugins", "list").out.splitlines() if row.startswith("bad"))

    assert "broken" in row
    assert "OSError: no verbs today" in row
