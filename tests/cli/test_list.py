"""`ganreg list`: what there is, of which kind, from whom."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import ganreg
from ganreg import registry

from .conftest import Run

ROOT = Path(__file__).parents[2]


def test_every_part_and_recipe_is_listed_with_kind_name_origin_and_summary(run: Run):
    status, out, err = run("list")
    heading, *rows = out.splitlines()

    assert (status, err) == (0, "")
    assert heading.split() == ["kind", "name", "origin", "summary"]
    everything = [*registry.current().components(), *registry.current().recipes()]
    assert len(rows) == len(everything)
    told = f"ganreg {ganreg.__version__}  Margin loss; the default of SNGAN and BigGAN."
    assert f"loss hinge {told}".split() in [row.split() for row in rows]


def test_singular_and_plural_are_the_same_and_hold_one_kind(run: Run):
    assert run("list", "loss") == run("list", "losses")
    assert {row.split()[0] for row in run("list", "losses").out.splitlines()[1:]} == {"loss"}
    assert run("list", "recipe") == run("list", "recipes")
    assert {row.split()[0] for row in run("list", "recipes").out.splitlines()[1:]} == {"recipe"}


def test_json_has_the_same_rows_as_objects(run: Run):
    found = json.loads(run("list", "generators", "--json").out)

    rows = [tuple(row.split()[:2]) for row in run("list", "generators").out.splitlines()[1:]]
    assert [(one["kind"], one["name"]) for one in found] == rows
    assert ("generator", "dcgan") in rows
    assert set(found[0]) == {"kind", "name", "origin", "summary"}


def test_a_kind_without_parts_is_told_so_and_is_an_empty_list_for_programs(run: Run):
    assert run("list", "metrics", "--no-plugin", "builtin") == (0, "", "there are no metrics here\n")
    assert run("list", "metrics", "--no-plugin", "builtin", "--json") == (0, "[]\n", "")


def test_a_kind_nobody_knows_is_told_the_nearest(run: Run):
    status, out, err = run("list", "genrators")

    assert (status, out) == (2, "")
    assert err.startswith("error[GR100]: there is no kind of component named 'genrators'. Did you mean 'generators'? Known: ")


def test_parts_of_a_plugin_are_listed_with_their_distribution(run: Run, install):
    install("foo")
    rows = [row.split()[:4] for row in run("list", "losses").out.splitlines()]

    assert ["loss", "lonely", "ganreg-foo", "1.0"] in rows


def test_no_plugin_means_no_part_of_it(run: Run, install):
    install("foo")

    assert "lonely" not in run("list", "--no-plugin", "ganreg-foo").out


def test_a_terminal_gets_a_table_and_no_colour_when_none_is_wanted():
    ours, theirs = pty.openpty()
    told = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "120"}
    ran = subprocess.run([sys.executable, "-m", "ganreg", "list", "losses"], stdout=theirs, env=told, check=False, timeout=60)
    os.close(theirs)
    text = os.read(ours, 65536).decode()
    os.close(ours)

    assert ran.returncode == 0
    assert "─" in text
    assert "hinge" in text
    assert "\x1b[3" not in text
