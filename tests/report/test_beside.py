"""Runs beside each other: what differs, and what may be compared."""

from pathlib import Path

from ganreg.report.beside import entries, failures, flat, measured, unlike
from ganreg.report.reading import read

from .small import PROTOCOL, evaluation, run


def test_nested_settings_become_paths():
    config = {
        "loss": {"name": "hinge", "margin": 1.0},
        "regularizers": [{"name": "r1", "weight": 10}, {"name": "r2"}],
        "clip": None,
    }

    assert flat(config) == {
        "loss": "hinge",
        "loss.margin": "1.0",
        "regularizers.r1.weight": "10",
        "regularizers.r2": "yes",
        "clip": "none",
    }
    assert flat({"a": [], "b": {}, "c": [0.5, True], "d": "\x1b[31m", "e": "x" * 1000})["d"] == "\\x1b[31m"


def test_only_what_is_not_alike_differs():
    found = {entry.key: entry for entry in entries([{"seed": 0, "steps": 5}, {"seed": 1, "steps": 5, "clip": 2}])}

    assert [key for key, entry in found.items() if entry.differs] == ["seed", "clip"]
    assert found["clip"].values == (None, "2")


def test_like_protocols_stand_in_one_row_with_their_leader(tmp_path: Path):
    first = read(run(tmp_path / "a", evaluations=[evaluation(100, 5.0), evaluation(200, 2.0), evaluation(400, 3.0)]))
    second = read(run(tmp_path / "b", evaluations=[evaluation(400, 2.5)]))
    (one,) = measured([first, second])

    assert [pair and (pair[0].value, pair[1].value) for pair in one.runs] == [(3.0, 2.0), (2.5, 2.5)]
    assert one.leader() == 0
    assert unlike([one]) == []


def test_unlike_protocols_never_share_a_row_and_have_no_leader(tmp_path: Path):
    first = read(run(tmp_path / "a", evaluations=[evaluation(400, 5.0)]))
    second = read(run(tmp_path / "b", evaluations=[evaluation(400, 1.0, protocol={**PROTOCOL, "n_fake": 5000})]))
    found = measured([first, second])

    assert [[pair is not None for pair in one.runs] for one in found] == [[True, False], [False, True]]
    assert [one.leader() for one in found] == [None, None]
    assert unlike(found) == ["frechet-distance: not compared, the protocols differ in n_fake"]


def test_other_weights_or_another_extractor_are_another_measure(tmp_path: Path):
    first = read(run(tmp_path / "a", evaluations=[evaluation(400, 5.0)]))
    second = read(run(tmp_path / "b", evaluations=[{**evaluation(400, 5.0), "weights": "last", "extractor": "digits-cnn"}]))

    assert unlike(measured([first, second])) == ["frechet-distance: not compared, the protocols differ in weights, extractor"]


def test_a_draw_has_no_leader(tmp_path: Path):
    records = [read(run(tmp_path / name, evaluations=[evaluation(400, 5.0)])) for name in "ab"]

    assert measured(records)[0].leader() is None


def test_what_could_not_be_measured_is_told_once(tmp_path: Path):
    failed = [evaluation(step, None, "inception-score", reason="no classes") for step in (100, 200)]
    record = read(run(tmp_path / "a", evaluations=failed))

    assert measured([record]) == []
    assert [(one.metric, one.reason) for one in failures(record)] == [("inception-score", "no classes")]
