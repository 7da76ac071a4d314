"""`ganreg plugins check`: a plugin may fail, hang, crash or exit, and is told so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

LOSS = '''
import ganreg
{first}

class Odd:
    """A loss."""

    def __init__(self, *, weight: float{default}):
        self.weight = weight

    def discriminator(self, real, fake):
        {body}
        return self.weight * (fake.exp() - real).mean()

    def generator(self, fake, real=None):
        return -self.weight * fake.mean()


@ganreg.hookimpl
def ganreg_components():
    yield ganreg.Component("loss", "odd", f"{{__name__}}:Odd", "Words.")
'''

Write = Callable[..., Path]


def loss(first: str = "", default: str = " = 1.0", body: str = "pass") -> str:
    return LOSS.format(first=first, default=default, body=body)


def test_each_check_is_a_line_and_a_failure_says_what_to_change(run: Run, plugin: Write):
    plugin("odd", loss(first="print('hello from the plugin')"))
    status, out, err = run("plugins", "check", "ganreg-odd")
    lines = out.splitlines()

    assert status == 3
    assert "ok       odd-imports_without_torch" in lines
    assert "ok       loss-odd-gives_one_number" in lines
    assert lines[lines.index("FAILED   loss-odd-has_finite_gradients") + 1].endswith("must be finite, got inf")
    assert err.splitlines()[0] == "error[GR203]: 9 passed, 1 failed, 0 not run; failed: loss-odd-has_finite_gradients"
    assert "hello" not in out


def test_programs_get_json_and_settings_that_have_no_default_are_given(run: Run, plugin: Write):
    plugin("odd", loss(default=""))

    status, out, err = run("plugins", "check", "odd", "--json")
    assert (status, err) == (0, "odd: 1 passed, 0 failed, 1 not run\n")
    assert [one["outcome"] for one in json.loads(out)] == ["passed", "not_run"]
    assert "weight must be given" in json.loads(out)[1]["why"]

    status, out, err = run("plugins", "check", "odd", "--json", "--set", "loss-odd.weight=2")
    assert status == 3
    assert "9 passed, 1 failed, 0 not run" in err


def test_a_plugin_that_does_not_load_shows_its_traceback(run: Run, plugin: Write):
    plugin("odd", "import no_such_module\n")
    status, out, err = run("plugins", "check", "odd")

    assert (status, out) == (3, "")
    assert 'ganreg_odd_plugin.py", line 1' in err
    assert "error[GR201]: plugin ganreg-odd 1.0 (odd) failed to load: ModuleNotFoundError: No module" in err


def test_a_plugin_that_hangs_is_ended_and_what_it_did_is_named(run: Run, plugin: Write):
    plugin("odd", "import time\ntime.sleep(100)\n")
    status, _, err = run("plugins", "check", "odd", "--timeout", "20")

    assert status == 3
    assert "error[GR201]: plugin odd was not done within 20 s while importing it; the process was killed" in err


def test_a_part_that_ends_the_process_is_named_with_its_check(run: Run, plugin: Write):
    plugin("odd", loss(body="import os; os._exit(9)"))
    status, out, err = run("plugins", "check", "odd")

    assert status == 3
    assert "ok       loss-odd-keeps_its_settings_in_yaml" in out
    assert "ended with status 9 while it ran loss-odd-gives_one_number" in err


def test_a_plugin_that_leaves_quietly_has_not_passed(run: Run, plugin: Write):
    plugin("odd", loss(first="import os; os._exit(0)"))
    status, out, err = run("plugins", "check", "odd")

    assert (status, out) == (3, "")
    assert "the process that checked plugin odd ended with status 0 while importing it" in err


LEFT = """
import atexit, os, time
atexit.register(time.sleep, 100)
if os.fork() == 0:
    time.sleep(100)
    os._exit(0)
"""


def test_what_a_plugin_left_running_keeps_nobody(run: Run, tmp_path: Path):
    (tmp_path / "left.py").write_text(LEFT + loss())
    began = time.monotonic()
    status, out, _ = run("plugins", "check", "left", "--plugin", str(tmp_path / "left.py"), "--timeout", "60")

    assert status == 3
    assert "ok       loss-odd-tells_its_equilibrium" in out
    assert time.monotonic() - began < 90  # neither of the two sleepers was waited for


def test_one_part_that_cannot_be_imported_hides_no_other(run: Run, plugin: Write):
    plugin("odd", loss() + '    yield ganreg.Component("loss", "gone", "no_such_module:Gone", "Words.")\n')
    status, out, _ = run("plugins", "check", "odd", "--json")
    told = {one["check"]: one for one in json.loads(out)}

    assert status == 3
    assert "No module named 'no_such_module'" in told["loss-gone-can_be_imported"]["why"]
    assert told["loss-odd-gives_one_number"]["outcome"] == "passed"


def test_a_plugin_that_is_left_out_has_not_passed(run: Run, plugin: Write):
    plugin("odd", loss())
    status, out, err = run("plugins", "check", "odd", "--no-plugin", "odd")

    assert (status, out) == (3, "")
    assert "left out by --no-plugin" in err


def test_whoever_is_ended_takes_the_process_along(plugin: Write, tmp_path: Path):
    site = plugin("odd", "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(100)\n")
    words = [sys.executable, "-m", "ganreg", "plugins", "check", "odd"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(Path(__file__).parents[2])])}
    asker = subprocess.Popen(words, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        pid = int(eventually(lambda: (tmp_path / "pid").read_text() if (tmp_path / "pid").is_file() else ""))
    finally:
        asker.kill()
        asker.wait()

    assert eventually(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])


def eventually(found: Callable[[], object]) -> Any:
    end = time.monotonic() + 90
    while not (answer := found()) and time.monotonic() < end:
        time.sleep(0.05)
    return answer


def test_a_part_that_exits_fails_that_check_alone(run: Run, plugin: Write):
    plugin("odd", loss(body="raise SystemExit(4)"))
    status, out, _ = run("plugins", "check", "odd")

    assert status == 3
    assert "FAILED   loss-odd-gives_one_number\n         SystemExit: 4" in out
    assert "ok       loss-odd-tells_its_equilibrium" in out


def test_a_single_file_is_checked(run: Run, tmp_path: Path):
    (tmp_path / "mine.py").write_text(loss())
    status, out, _ = run("plugins", "check", "mine", "--plugin", str(tmp_path / "mine.py"))

    assert status == 3
    assert "ok       loss-odd-gives_one_number" in out


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["nobody"], 2, "error[GR101]: no plugin is named 'nobody'"),
        (["builtin", "--timeout", "0"], 2, "--timeout must be greater than 0, got 0"),
        (["builtin", "--set", "path=x"], 2, "expected KIND-NAME.KEY=VALUE, got 'path=x'"),
    ],
)
def test_words_that_make_no_sense_are_refused(run: Run, words: list[str], status: int, told: str):
    ran = run("plugins", "check", *words)

    assert ran.status == status
    assert told in ran.err
