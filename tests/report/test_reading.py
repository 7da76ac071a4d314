"""A run directory is read as it is: what is missing or damaged is said, and the rest is there."""

import json
from pathlib import Path

import pytest

from ganreg.errors import CheckpointError, UsageError
from ganreg.report.reading import number, read, read_all

from .small import LN2, evaluation, lines, row, run


def test_a_whole_run_misses_nothing(tmp_path: Path):
    record = read(run(tmp_path / "mine", evaluations=[evaluation(400, 2.5)]))

    assert record.missing == []
    assert (record.name, record.repeatable) == ("mine", True)
    assert record.equilibrium == (2 * LN2, LN2)
    assert record.column("loss_d")[0] == (100.0, 1.9)
    assert list(record.pictures) == [100, 200, 300, 400]
    assert record.reals is not None
    assert record.end is not None
    assert record.end["code"] == 0
    assert [(one.step, one.value, one.extractor) for one in record.evaluations] == [(400, 2.5, "pixels")]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("x")])
def test_what_is_no_run_is_refused(tmp_path: Path, make):
    make(tmp_path / "none")
    with pytest.raises(CheckpointError, match=r"no run directory|no such run directory") as raised:
        read(tmp_path / "none")

    assert raised.value.code == "GR502"


def test_a_run_that_just_began_says_what_is_missing(tmp_path: Path):
    place = tmp_path / "new"
    place.mkdir()
    (place / "config.yaml").write_text("steps: 10\n")
    record = read(place)

    assert record.rows == []
    assert record.end is None
    assert record.missing == [
        "environment.json is not there; versions and device are not known",
        "metrics.jsonl is not there; there are no losses to draw",
        "samples: there are no pictures of what the generator makes",
    ]


def test_a_cut_last_line_costs_that_line_alone(tmp_path: Path):
    place = run(tmp_path / "cut")
    whole = (place / "metrics.jsonl").read_text()
    (place / "metrics.jsonl").write_text(whole + whole.splitlines()[-1][:40])
    record = read(place)

    assert len(record.rows) == 4
    assert record.missing == ["metrics.jsonl: a line is cut or damaged and is left out"]


def test_a_step_that_was_run_again_is_the_last_one_written(tmp_path: Path):
    place = run(tmp_path / "again")
    (place / "metrics.jsonl").write_text(lines(row(100), row(200, loss_d=9.0), row(200, loss_d=1.0), row(150)))

    assert read(place).column("loss_d") == [(100.0, 1.9), (150.0, 1.85), (200.0, 1.0)]


@pytest.mark.parametrize(
    "line",
    ["null", "[1]", "7", "{", "\x00\xff", '{"step": "x"}', '{"step": true}', '{"step": NaN}', '{"step": 1e999}', "[" * 100_000],
)
def test_a_hostile_line_is_passed_over(tmp_path: Path, line: str):
    place = run(tmp_path / "odd")
    with (place / "metrics.jsonl").open("a", encoding="latin-1") as file:
        file.write(line + "\n")

    assert [one["step"] for one in read(place).rows] == [100, 200, 300, 400]


def test_numbers_that_are_none_are_gaps(tmp_path: Path):
    place = run(tmp_path / "gaps")
    (place / "metrics.jsonl").write_text('{"step": 1, "loss_d": null, "loss_g": NaN, "name": "text", "flag": true}\n')

    assert read(place).rows == [{"step": 1.0, "loss_d": None, "loss_g": None}]
    assert [number(value) for value in (10**400, True, "1", float("inf"), 3)] == [None, None, None, None, 3.0]


@pytest.mark.parametrize("name", ["config.yaml", "environment.json", "exit.json"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[1, 2", b"- a\n- b\n", b"[" * 90_000])
def test_a_damaged_file_is_told_by_name_and_the_rest_is_there(tmp_path: Path, name: str, content: bytes):
    place = run(tmp_path / "bad")
    (place / name).write_bytes(content)
    record = read(place)

    assert len(record.missing) == 1
    assert record.missing[0].startswith(name)
    assert len(record.rows) == 4


def test_a_run_of_objects_cannot_be_repeated_from_its_settings(tmp_path: Path):
    place = run(tmp_path / "objects")
    (place / "config.yaml").write_text("# Every setting of this run.  Some parts were objects: …\nsteps: 3\n")

    assert not read(place).repeatable


def test_words_are_read_with_their_steps(tmp_path: Path):
    place = run(tmp_path / "warned")
    (place / "words.jsonl").write_text(lines({"step": 40, "told": "D has won"}, {"step": None, "told": "odd"}, {"told": ""}))

    assert read(place).words == [(40, "D has won"), (0, "odd")]


@pytest.mark.parametrize("told", [None, [1], [1, "x"], "no", [float("nan"), 1]])
def test_an_equilibrium_that_is_none_is_not_drawn(tmp_path: Path, told: object):
    place = run(tmp_path / "plain")
    (place / "environment.json").write_text(json.dumps({"equilibrium": told}))

    assert read(place).equilibrium is None


def test_runs_of_one_name_go_by_more_of_their_path(tmp_path: Path):
    records = read_all([run(tmp_path / "a" / "0001"), run(tmp_path / "b" / "0001")])

    assert [record.name for record in records] == ["a/0001", "b/0001"]


def test_a_run_that_is_named_twice_is_refused(tmp_path: Path):
    place = run(tmp_path / "one")
    with pytest.raises(UsageError, match="named twice"):
        read_all([place, tmp_path / "." / "one"])
