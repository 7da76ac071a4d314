"""`ganreg compare`: what differs, what may be compared, and what may not."""

import json
import re
from pathlib import Path

import pytest

from tests.report.small import PROTOCOL, evaluation
from tests.report.small import run as make

from .conftest import Run


@pytest.fixture
def two(place: Path) -> None:
    make(
        place / "one",
        evaluations=[evaluation(200, 2.0), evaluation(400, 3.0), evaluation(400, 0.6, "precision", higher_is_better=True)],
    )
    other = {**PROTOCOL, "n_fake": 5000}
    told = [evaluation(800, 4.0), evaluation(800, 0.9, "precision", higher_is_better=True, protocol=other)]
    make(place / "two", steps=800, loss="hinge", evaluations=told)


@pytest.mark.usefixtures("two")
def test_a_table_of_what_differs_and_what_came_of_it(run: Run):
    status, out, err = run("compare", "one", "two")

    assert (status, err) == (0, "")
    for line in (
        r"^ended +done at step 400 +done at step 800$",
        r"^steps +400 of 400 +800 of 800$",
        r"^loss of D, best +1\.6 at step 400 +1\.4 at step 600$",
        r"^loss +bce +hinge$",
        r"^steps +400 +800$",
        r"^6 settings are the same$",
        r"^frechet-distance \(lower\) +2 at step 200  \* +4 at step 800 +1$",
        r"^precision: not compared, the protocols differ in n_fake$",
    ):
        assert re.search(line, out, flags=re.MULTILINE), line
    assert out.count("  *") == 1


@pytest.mark.usefixtures("two")
def test_json_holds_the_same_for_programs(run: Run):
    told = json.loads(run("compare", "one", "two", "--json").out)

    assert [one["name"] for one in told["runs"]] == ["one", "two"]
    assert told["runs"][0]["loss_d"] == {"last": 1.6, "best": 1.6, "best_step": 400}
    assert told["runs"][1]["images_per_second"] == 100.0
    assert told["settings"] == {"loss": ["bce", "hinge"], "steps": ["400", "800"]}
    assert told["evaluations"][0]["runs"][0] == {"last": {"step": 400, "value": 3.0}, "best": {"step": 200, "value": 2.0}}
    assert [[pair is not None for pair in one["runs"]] for one in told["evaluations"]] == [
        [True, True],
        [True, False],
        [False, True],
    ]
    assert told["unlike"] == ["precision: not compared, the protocols differ in n_fake"]


def test_runs_that_are_alike_and_were_never_measured(run: Run, place: Path):
    make(place / "one")
    make(place / "two")
    (place / "two" / "exit.json").unlink()
    (place / "two" / "environment.json").unlink()
    ran = run("compare", "one", "two")

    assert "no setting differs" in ran.out
    assert "nothing was evaluated" in ran.out
    assert "no word of its end" in ran.out
    assert ran.err == "two: environment.json is not there; versions and device are not known\n"


@pytest.mark.parametrize(("words", "status"), [(["one"], 2), (["one", "none"], 6), (["one", "one"], 2), ([], 2)])
def test_what_cannot_be_compared_is_refused(run: Run, place: Path, words: list[str], status: int):
    make(place / "one")
    ran = run("compare", *words)

    assert (ran.status, ran.out) == (status, "")
    assert ran.err.startswith("error[GR")
