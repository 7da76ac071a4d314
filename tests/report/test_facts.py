"""What a run came to."""

import json
from pathlib import Path

import pytest

from ganreg.report.facts import best_loss, facts, last, last_and_best, parts, seconds_of
from ganreg.report.reading import Evaluation, read

from .small import lines, row, run


def test_a_whole_run(tmp_path: Path):
    told = facts(read(run(tmp_path / "mine")))

    assert (told.step, told.of_steps, told.images, told.seconds, told.images_per_second) == (400, 400, 4000, 40.0, 100.0)
    assert (told.ended, told.well) == ("done at step 400", True)
    assert told.balance == "0.21 from equilibrium, D is ahead"  # |1.6 - 2 ln 2|


@pytest.mark.parametrize(
    ("end", "words", "well"),
    [
        ({"code": 0, "step": 300}, "stopped at step 300 of 400", False),
        ({"code": 130, "step": 300}, "interrupted at step 300", None),
        ({"code": 143, "step": 300, "error": ""}, "ended by signal 15 at step 300", None),
        ({"code": 5, "step": 300, "error": "GR401"}, "failed at step 300: GR401, a loss or gradient became nan", False),
        ({"code": 70, "step": 300, "error": "GR902"}, "failed at step 300: GR902", False),
        ({"code": "?", "step": "?", "error": ["x"]}, "failed: ['x']", False),
    ],
)
def test_how_it_ended_is_said_in_words(tmp_path: Path, end: dict, words: str, well: bool | None):
    place = run(tmp_path / "mine")
    (place / "exit.json").write_text(json.dumps(end))
    told = facts(read(place))

    assert told.ended.startswith(words)
    assert told.well is well


def test_a_run_without_an_end_is_neither_well_nor_ill(tmp_path: Path):
    place = run(tmp_path / "mine")
    (place / "exit.json").unlink()
    told = facts(read(place))

    assert told.ended.startswith("no word of its end")
    assert told.well is None


def test_the_time_of_a_run_that_was_gone_on_with_is_that_of_all_its_sessions(tmp_path: Path):
    place = run(tmp_path / "mine")
    clock = [(100, 10.0), (200, 20.0), (300, 8.0), (400, 16.0)]
    (place / "metrics.jsonl").write_text(lines(*(row(step, seconds=seconds) for step, seconds in clock)))

    assert seconds_of(read(place)) == 36.0


def test_the_best_loss_is_the_nearest_to_equilibrium_or_the_lowest(tmp_path: Path):
    place = run(tmp_path / "mine")
    (place / "metrics.jsonl").write_text(lines(row(1, loss_d=0.2), row(2, loss_d=1.4), row(3, loss_d=None), row(4, loss_d=3.0)))
    record = read(place)

    assert best_loss(record, "loss_d") == (2, 1.4)
    assert last(record, "loss_d") == (4, 3.0)
    record.environment = {}
    assert best_loss(record, "loss_d") == (1, 0.2)


def test_the_best_evaluation_is_highest_or_lowest_as_its_metric_says():
    low = [Evaluation(step, "d", value) for step, value in ((1, 5.0), (2, 3.0), (3, None), (4, 4.0))]
    high = [Evaluation(step, "p", value, higher_is_better=True) for step, value in ((2, 0.5), (1, 0.7))]

    assert [one.step for one in last_and_best(low) or ()] == [4, 2]
    assert [one.step for one in last_and_best(high) or ()] == [2, 1]
    assert last_and_best([Evaluation(1, "d", None)]) is None


def test_the_parts_are_named(tmp_path: Path):
    assert parts(read(run(tmp_path / "mine"))) == ["digits", "generator dcgan", "discriminator dcgan", "loss bce"]
