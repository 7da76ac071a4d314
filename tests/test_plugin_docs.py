"""docs/plugins.md, followed by a stranger who has nothing else: the loss trains on either road, and passes the kit."""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from pathlib import Path

import pytest

from ganreg import registry
from ganreg.cli import main
from ganreg.cli.plugins_new import OFFERED
from ganreg.engine import value_and_grad
from ganreg.testing import checks_of

PAGE = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")
LOSS, FAST, *_ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TRAIN = shlex.split(re.search(r"^ganreg (train --plugin margin\.py .*)$", PAGE, re.MULTILINE)[1])

ROADS = {"two scalar methods": LOSS, "with value_and_grad": LOSS.replace(":Margin", ":FastMargin") + FAST}


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANREG_KERNEL", "reference")


def history(source: str, out: str) -> list[tuple[float, float]]:
    Path("margin.py").write_text(source)
    assert main([*TRAIN, "--log-every", "1", "--out", out, "--quiet"]) == 0
    rows = [json.loads(line) for line in Path(out, "metrics.jsonl").read_text().splitlines()]
    return [(row["loss_d"], row["loss_g"]) for row in rows]


def test_a_stranger_s_loss_trains_on_both_roads_with_the_same_numbers(monkeypatch: pytest.MonkeyPatch):
    by_autograd = []
    wide = value_and_grad._wide
    monkeypatch.setattr(value_and_grad, "_wide", lambda logits: by_autograd.append(1) or wide(logits))

    plain = history(ROADS["two scalar methods"], "plain")
    asked_of_autograd = len(by_autograd)
    fast = history(ROADS["with value_and_grad"], "fast")

    assert len(plain) == len(fast) == 20
    assert asked_of_autograd > 0
    assert len(by_autograd) == asked_of_autograd  # none for the fast road
    for slow, quick in zip(plain, fast, strict=True):
        assert slow == pytest.approx(quick, rel=1e-4)


@pytest.mark.parametrize("road", ROADS)
def test_a_stranger_s_loss_passes_the_kit(road: str):
    Path("margin.py").write_text(ROADS[road])
    registry.configure(files=[Path("margin.py")])

    for check in checks_of("loss", "margin"):
        check()


def test_the_commands_and_kinds_that_are_told_exist():
    from ganreg.cli import VERBS

    assert set(re.findall(r"^ganreg (\w+)", PAGE, re.MULTILINE)) <= set(VERBS)
    told = re.search(r"`--kind` repeats:\s+([\w, \n]+)\.", PAGE)[1]
    assert re.split(r",\s+", textwrap.dedent(told).strip()) == list(OFFERED)
    assert {Path(link).name for link in re.findall(r"\]\(\.\./examples/([\w-]+)\)", PAGE)} == {
        path.name for path in (Path(__file__).parents[1] / "examples").iterdir() if (path / "pyproject.toml").is_file()
    }
