"""Twelve broken plugins, installed: each is told by name, in a line, and harms nobody who asks for nothing of it.

Every plugin is a distribution on disk, every `ganreg` a process of its own.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from ganreg import __version__
from tests.fake_distributions import HEAD, distribution, environment, ganreg

VERSION = "1.3"
OFFER = '    yield Component("loss", "{name}", "ganreg_{module}_plugin:make", "Words.")\n'
NOTHING = "\n\ndef make(): ...\n"


class Fault(NamedTuple):
    """A plugin's entry point and module, what `ganreg plugins list` says of it, and what its one line says, if there is one."""

    entry: str
    source: str
    status: str = "broken"
    line: str = ""


FAULTS = {
    "import-error": Fault(
        "needs",
        "import no_such_module_anywhere",
        line="is left out: ModuleNotFoundError: No module named 'no_such_module_anywhere'",
    ),
    "system-exit": Fault("exits", "raise SystemExit(0)", line="is left out: SystemExit: 0"),
    "misspelt-hook": Fault(
        "misspells",
        HEAD.replace("ganreg_components", "ganreg_component") + "    return ()\n",
        line="is left out: ValueError: unknown hook 'ganreg_component'. Did you mean 'ganreg_components'?",
    ),
    "wrong-signature": Fault(
        "asks",
        HEAD.replace("components()", "components(run)") + "    return ()\n",
        line="is left out: ValueError: Plugin 'asks' for hook 'ganreg_components'",
    ),
    "raising-hook": Fault(
        "raises",
        HEAD + OFFER.format(name="half", module="raising_hook") + "    raise RuntimeError('half-way')\n",
        line="is left out: RuntimeError: half-way",
    ),
    "wrong-record": Fault(
        "yields",
        HEAD + "    yield ('loss', 'half')\n",
        line="is left out: TypeError: ganreg_components must yield Component, got tuple",
    ),
    "newer-interface": Fault(
        "newer",
        "GANREG_API = 2\n" + HEAD + OFFER.format(name="half", module="newer_interface"),
        status="incompatible",
        line="is left out: ImportError: it needs plugin interface 2, this ganreg has 1",
    ),
    "changed-state": Fault(
        "seeds",
        "import random, warnings\nrandom.seed(0)\nwarnings.simplefilter('ignore')\n",
        status="ok",
        line="changed Python's random numbers, the filters of all warnings when it was imported; put back",
    ),
    "shadow": Fault("shadows", HEAD + OFFER.format(name="hinge", module="shadow") + NOTHING, status="ok"),
    "makes-none": Fault("makes", HEAD + OFFER.format(name="nothing", module="makes_none") + NOTHING, status="ok"),
    "twin-one": Fault("one", HEAD + OFFER.format(name="twin", module="twin_one") + NOTHING, status="ok"),
    "twin-two": Fault("two", HEAD + OFFER.format(name="twin", module="twin_two") + NOTHING, status="ok"),
}
"""All but the one that hangs; the two twins are one fault between them."""

HANG = "import time\nfrom pathlib import Path\n\nPath(__file__).with_suffix('.imported').touch()\ntime.sleep(600)\n"


def told(name: str) -> list[str]:
    """What stderr holds of a plugin that nobody asked for."""
    fault = FAULTS[name]
    return [f"warning: plugin ganreg-{name} {VERSION} ({fault.entry}) {fault.line}"] * bool(fault.line)


def same(lines: str, expected: Iterable[str]) -> bool:
    """One line each, in any order; pluggy says more of a signature than we repeat."""
    found, expected = sorted(lines.splitlines()), sorted(expected)
    return len(found) == len(expected) and all(line.startswith(start) for line, start in zip(found, expected, strict=True))


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each broken distribution in a folder of its own."""
    place = tmp_path_factory.mktemp("sites")
    return {
        name: distribution(place / name, name, fault.source, entry=fault.entry, version=VERSION)
        for name, fault in FAULTS.items()
    }


@pytest.fixture(scope="module")
def built_in() -> list[str]:
    """What `ganreg list` says where no plugin is."""
    return [" ".join(row.split()) for row in ganreg("list").stdout.splitlines()]


def rows(out: str) -> list[str]:
    return [" ".join(row.split()) for row in out.splitlines()]


# --- one at a time ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_plugin_is_one_line_that_names_it_and_the_list_is_whole(
    name: str, sites: dict[str, Path], built_in: list[str]
):
    ran = ganreg("list", sites=[sites[name]])

    assert ran.returncode == 0
    assert same(ran.stderr, told(name)), ran.stderr
    assert [row for row in rows(ran.stdout) if f"ganreg-{name}" not in row] == built_in
    assert len(built_in) > 15
    assert " half " not in ran.stdout


def test_two_distributions_with_one_name_get_the_same_error_in_either_order(sites: dict[str, Path]):
    pair = [sites["twin-one"], sites["twin-two"]]
    first, second = (ganreg("show", "loss", "twin", sites=order) for order in (pair, pair[::-1]))

    assert (first.returncode, first.stdout, first.stderr) == (
        3,
        "",
        "error[GR202]: loss 'twin' is offered by ganreg-twin-one 1.3 (one) and ganreg-twin-two 1.3 (two)\n"
        "  at: NAME\n"
        "  fix: say 'ganreg-twin-one:twin' or 'ganreg-twin-two:twin', or uninstall one\n",
    )
    assert (second.returncode, second.stdout, second.stderr) == (first.returncode, first.stdout, first.stderr)
    assert ganreg("show", "loss", "ganreg-twin-two:twin", sites=pair).returncode == 0


def test_a_built_in_name_means_the_built_in_and_who_else_has_it_is_told(sites: dict[str, Path]):
    ran = ganreg("show", "loss", "hinge", sites=[sites["shadow"]])

    assert ran.returncode == 0
    assert f"origin ganreg {__version__}" in rows(ran.stdout)
    line = "loss 'hinge' is built in; the one from ganreg-shadow 1.3 (shadows) is used as 'distribution:name'"
    assert ran.stderr == f"warning: {line}\n"


@pytest.mark.slow
def test_a_factory_that_makes_nothing_is_an_error_for_whoever_asks_for_it(sites: dict[str, Path], tmp_path: Path):
    ran = ganreg("train", "--loss", "nothing", "--steps", "2", "--out", str(tmp_path / "run"), sites=[sites["makes-none"]])

    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr.splitlines()[:2] == [
        "error[GR203]: loss 'nothing' of ganreg-makes-none 1.3 (makes) made a NoneType without discriminator, generator",
        "  at: ganreg_makes_none_plugin:make",
    ]
    assert not (tmp_path / "run").exists()


# --- what it does to a process, and says in it --------------------------------------------------------------------------


def test_python_that_makes_errors_of_warnings_goes_on_without_a_broken_plugin(sites: dict[str, Path]):
    ran = ganreg("list", sites=[sites["import-error"]], PYTHONWARNINGS="error")

    assert ran.returncode == 0, ran.stderr
    assert same(ran.stderr, told("import-error"))


@pytest.mark.parametrize("act", ["sys.stdout.close()", "sys.stderr.close()", "sys.stderr = None", "sys.stdout = None"])
def test_a_plugin_that_takes_the_streams_away_breaks_no_list(act: str, built_in: list[str], tmp_path: Path):
    ran = ganreg("list", sites=[distribution(tmp_path, "takes", f"import sys\n{act}\n")])

    assert ran.returncode == 0, ran.stderr
    assert rows(ran.stdout) == built_in


def test_the_verb_of_a_plugin_that_fails_is_told_as_its_own(tmp_path: Path):
    source = """
import click, ganreg

@ganreg.hookimpl
def ganreg_commands():
    @click.command("fall")
    def fall(): raise RuntimeError("over")
    return [fall, click.Command(None), click.Command(5), click.Command("train")]
"""
    site = distribution(tmp_path, "falls", source, entry="f", version=VERSION)
    ran = ganreg("fall", sites=[site])
    listed = ganreg("plugins", "list", "--json", sites=[site])

    who = f"ganreg-falls {VERSION} (f)"
    assert (ran.returncode, ran.stdout) == (3, "")
    assert f"error[GR201]: a command of {who} failed: RuntimeError: over\n" in ran.stderr
    assert json.loads(listed.stdout)[1]["commands"] == ["fall"]
    assert listed.stderr.splitlines() == [
        f"warning: a command of plugin {who} is left out: it has no name to type",
        f"warning: the command 'train' of plugin {who} is left out: there is one already",
    ]


def test_what_a_part_prints_when_it_is_imported_is_kept_apart_from_what_was_asked(tmp_path: Path):
    parts = "print('noise')\nimport sys\nsys.stdout = None\n\nclass Loud:\n    __doc__ = '.'\n    def __init__(self): ...\n"
    offer = '    yield Component("loss", "loud", "ganreg_loud_parts:Loud", "Words.")\n'
    site = distribution(tmp_path, "loud", HEAD + offer, modules={"ganreg_loud_parts": parts})
    ran = ganreg("show", "loss", "loud", "--json", sites=[site])

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["name"] == "loud"
    assert ran.stderr == "noise\n"


@pytest.mark.parametrize(
    ("act", "status", "said"),
    [
        ("raise SystemExit(4)", 4, ""),
        ("raise EOFError('no input')", 3, "EOFError: no input"),
        ("raise BrokenPipeError('socket')", 3, "BrokenPipeError: socket"),
        ("raise type('Odd', (BaseException,), {})('?')", 3, "Odd: ?"),
        ("raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})()", 3, "Mute"),
    ],
)
def test_however_the_verb_of_a_plugin_ends_it_is_told_and_never_as_a_success(act: str, status: int, said: str, tmp_path: Path):
    source = f"import click, ganreg\n\n@click.command('go')\ndef go():\n    {act}\n\n"
    source += "@ganreg.hookimpl\ndef ganreg_commands():\n    return [go]\n"
    ran = ganreg("go", sites=[distribution(tmp_path, "goes", source, entry="g", version=VERSION)])

    assert (ran.returncode, ran.stdout) == (status, "")
    assert ran.stderr.startswith(f"error[GR201]: a command of ganreg-goes {VERSION} (g) failed: {said}\n" if said else "")
    assert "Traceback" not in ran.stderr


@pytest.mark.slow
def test_a_part_that_fails_in_training_is_told_as_whose_it_is(tmp_path: Path):
    parts = "class Falls:\n    def __init__(self): self.count = 0\n"
    parts += "    def discriminator(self, real, fake):\n        self.count += 1\n"
    parts += "        return fake.mean() / real.mean() if self.count < 4 else real.view(3, -1, 7).sum()\n"
    parts += "    def generator(self, fake, real=None): return fake.mean()\n"
    offer = '    yield Component("loss", "falls", "ganreg_falls_plugin.parts:Falls", "Words.")\n'
    site = distribution(tmp_path / "site", "falls", None, entry="f", version=VERSION)
    (site / "ganreg_falls_plugin").mkdir()
    (site / "ganreg_falls_plugin" / "__init__.py").write_text(HEAD + offer)
    (site / "ganreg_falls_plugin" / "parts.py").write_text(parts)
    words = ("--generator", "mlp", "--dataset", "gaussians", "--loss", "falls", "--steps", "9", "--quiet")
    ran = ganreg("train", *words, "--out", str(tmp_path / "run"), sites=[site])

    assert (ran.returncode, ran.stdout) == (3, "")
    assert f"error[GR201]: ganreg-falls {VERSION} (f) failed: RuntimeError: shape '[3, -1, 7]' is invalid" in ran.stderr
    assert "ganreg_falls_plugin/parts.py:5\n" in ran.stderr


@pytest.mark.parametrize("path", ["good.yaml", "none.yaml"])
def test_a_plugins_recipe_that_has_the_name_of_our_generator_changes_nobodys_run(path: str, tmp_path: Path):
    source = f"""
import ganreg
from ganreg.contracts import Recipe
from pathlib import Path

@ganreg.hookimpl
def ganreg_recipes():
    yield Recipe("mlp", Path(__file__).with_name("{path}"), "Words.", default_for="mlp")
"""
    site = distribution(tmp_path, "takes", source)
    (site / "good.yaml").write_text("loss: hinge\n")
    ran = ganreg("train", "--generator", "mlp", "--dataset", "gaussians", "--dry-run", sites=[site])

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "name: bce" in ran.stdout
    assert "recipe: null" in ran.stdout


# --- all together -----------------------------------------------------------------------------------------------------


def test_all_together_are_one_line_each_and_the_list_is_whole(sites: dict[str, Path], built_in: list[str]):
    ran = ganreg("list", sites=sites.values())

    assert ran.returncode == 0
    assert same(ran.stderr, [line for name in FAULTS for line in told(name)]), ran.stderr
    assert set(built_in) <= set(rows(ran.stdout))


def test_each_has_its_status_in_the_list_of_plugins(sites: dict[str, Path]):
    ran = ganreg("plugins", "list", "--json", sites=sites.values())
    found = {one["distribution"]: (one["name"], one["version"], one["status"]) for one in json.loads(ran.stdout)}

    assert ran.returncode == 0
    assert found.pop("ganreg")[2] == "ok"
    assert found == {f"ganreg-{name}": (fault.entry, VERSION, fault.status) for name, fault in FAULTS.items()}
    reasons = {one["distribution"]: one["reason"] for one in json.loads(ran.stdout)}
    for name, fault in FAULTS.items():
        assert bool(reasons[f"ganreg-{name}"]) == (fault.status != "ok" or "hookimpl" not in fault.source)


@pytest.mark.slow
def test_built_in_parts_train_beside_all_of_them(sites: dict[str, Path], tmp_path: Path):
    out = tmp_path / "run"
    ran = ganreg(
        *("train", "--generator", "mlp", "--dataset", "gaussians", "--steps", "2", "--quiet", "--out", str(out)),
        sites=sites.values(),
    )

    assert (ran.returncode, ran.stdout) == (0, f"{out}\n"), ran.stderr
    assert same(ran.stderr, [line for name in FAULTS for line in told(name)]), ran.stderr
    done = json.loads((out / "exit.json").read_text())
    assert (done["code"], done["step"]) == (0, 2)


# --- the one that hangs -----------------------------------------------------------------------------------------------


@pytest.fixture
def hang(tmp_path: Path) -> Path:
    return distribution(tmp_path / "hang", "hang", HANG, entry="slow", version=VERSION)


@contextmanager
def begun(*words: str, site: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """`ganreg` that has ended, or has begun to import the plugin that hangs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ganreg", *words],
        env=environment([site], **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background has it ignored
    )
    with process:
        try:
            end = time.monotonic() + 60
            while process.poll() is None and not imports(site):
                assert time.monotonic() < end, "it neither ends nor imports"
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def imports(site: Path) -> bool:
    return (site / "ganreg_hang_plugin.imported").exists()


@pytest.mark.parametrize(
    ("words", "switch"),
    [
        (["--help"], ""),
        (["--version"], ""),
        (["train", "--help"], ""),
        (["list"], "off"),
        (["list"], "builtin"),
        (["list", "--no-plugin", "slow"], ""),
        (["list", "--no-plugin", "ganreg-hang"], ""),
    ],
    ids=" ".join,
)
def test_a_plugin_that_hangs_keeps_nobody_who_does_not_load_it(words: list[str], switch: str, hang: Path):
    with begun(*words, site=hang, GANREG_PLUGINS=switch) as process:
        assert not imports(hang)
        assert process.returncode == 0
        assert process.stderr.read() == ""
        assert process.stdout.read()


def test_ctrl_c_while_a_plugin_hangs_ends_with_130_and_its_name(hang: Path):
    with begun("list", site=hang) as process:
        assert process.returncode is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (130, "")
    assert err == "interrupted while importing plugin ganreg-hang 1.3 (slow)\n"
