"""Which plots a report has."""

from pathlib import Path

import pytest

from ganreg.report.plots import Frames
from ganreg.report.reading import read

from .small import LN2, PROTOCOL, evaluation, lines, row, run


def test_one_run_has_both_networks_in_a_frame_with_their_equilibria(tmp_path: Path):
    frames = Frames([read(run(tmp_path / "mine"))])
    (losses,) = frames.losses()

    assert [(line.name, line.style) for line in losses.lines] == [("D", 0), ("G", 1)]
    assert [(level.label, level.style) for level in losses.levels] == [("2 ln 2", 0), ("ln 2", 1)]
    assert [level.value for level in losses.levels] == pytest.approx([2 * LN2, LN2])
    (judgement,) = frames.judgement()
    assert (judgement.bottom, judgement.top) == (0.0, 1.0)
    assert [level.label for level in judgement.levels] == ["1/2"]


def test_several_runs_have_a_frame_for_each_number_and_one_axis_of_steps(tmp_path: Path):
    records = [read(run(tmp_path / "a")), read(run(tmp_path / "b", steps=800))]
    frames = Frames(records)
    losses = frames.losses()

    assert [(plot.name, [line.name for line in plot.lines]) for plot in losses] == [
        ("loss-d", ["a", "b"]),
        ("loss-g", ["a", "b"]),
    ]
    assert {plot.last_step for plot in [*losses, *frames.pace(), *frames.gradients()]} == {800.0}
    assert [level.meaning for level in losses[0].levels] == ["2 ln 2 = 1.386, the equilibrium"]


def test_runs_of_other_equilibria_each_have_theirs_in_their_colour(tmp_path: Path):
    records = [read(run(tmp_path / "a")), read(run(tmp_path / "b"))]
    records[1].environment["equilibrium"] = [2, 0]
    levels = Frames(records).losses()[0].levels

    assert [(level.value, level.style) for level in levels] == [(pytest.approx(2 * LN2), 0), (2.0, 1)]
    assert "equilibrium of b" in levels[1].meaning


def test_a_loss_that_tells_no_equilibrium_has_no_line(tmp_path: Path):
    record = read(run(tmp_path / "a"))
    record.environment = {}

    assert Frames([record]).losses()[0].levels == []


def test_learning_rates_are_drawn_only_where_they_change(tmp_path: Path):
    place = run(tmp_path / "a")
    assert Frames([read(place)]).rates() == []

    (place / "metrics.jsonl").write_text(lines(row(1), row(2, lr_g=1e-5)))
    (rates,) = Frames([read(place)]).rates()
    assert rates.is_log


def test_metrics_are_drawn_from_two_values_on_and_never_under_unlike_protocols(tmp_path: Path):
    series = [evaluation(step, 9.0 - step / 100) for step in (100, 200, 400)]
    other = [evaluation(step, 1.0, protocol={**PROTOCOL, "n_fake": 9}) for step in (100, 200)]
    records = [
        read(run(tmp_path / "a", evaluations=[*series, evaluation(400, 0.5, "precision")])),
        read(run(tmp_path / "b", evaluations=other)),
    ]

    assert [[line.name for line in plot.lines] for plot in Frames(records).metrics()] == [["a"], ["b"]]


def test_nothing_logged_is_nothing_drawn(tmp_path: Path):
    place = run(tmp_path / "a")
    (place / "metrics.jsonl").write_text("")
    frames = Frames([read(place)])

    assert [frames.losses(), frames.judgement(), frames.pace(), frames.gradients(), frames.penalties()] == [[], [], [], [], []]


def test_each_penalty_has_a_frame(tmp_path: Path):
    place = run(tmp_path / "a")
    (place / "metrics.jsonl").write_text(lines(row(1, penalty_r1=0.5), row(2, penalty_r1=0.25)))

    assert [plot.title for plot in Frames([read(place)]).penalties()] == ["Penalty r1"]
