"""A run in a column of words."""

from pathlib import Path

from ganreg.report.beside import measured
from ganreg.report.overview import overview, protocol, protocols
from ganreg.report.reading import read

from .small import PROTOCOL, evaluation, run


def test_every_line_is_told_for_each_run(tmp_path: Path):
    told = dict(overview([read(run(tmp_path / "a")), read(run(tmp_path / "b", steps=800))]))

    assert told["steps"] == ["400 of 400", "800 of 800"]
    assert told["images per second"] == ["100", "100"]
    assert told["loss of D, last"] == ["1.6", "1.2"]
    assert told["loss of D, best"] == ["1.6 at step 400", "1.4 at step 600"]


def test_a_line_that_no_run_can_fill_is_left_out(tmp_path: Path):
    place = run(tmp_path / "a")
    (place / "metrics.jsonl").unlink()

    assert [label for label, _ in overview([read(place)])] == ["ended", "steps"]


def test_a_protocol_is_told_whole(tmp_path: Path):
    (one,) = measured([read(run(tmp_path / "a", evaluations=[evaluation(1, 2.0)]))])

    assert protocol(one) == (
        "weights ema, extractor pixels, n real 1,797, n fake 2,000, "
        "extractor hash 9f8a7b6c5d4e3f2a, resolution 1 x 16 x 16, seed 0"
    )


def test_protocols_that_read_alike_in_short_have_numbers_of_their_own(tmp_path: Path):
    hashes = ["a" * 60, "a" * 59 + "b"]
    rows = [evaluation(1, 2.0, protocol={**PROTOCOL, "extractor_hash": one}) for one in hashes]
    found = measured([read(run(tmp_path / "a", evaluations=rows))])

    assert [number for number, _ in protocols(found).values()] == [1, 2]


def test_a_metrics_settings_are_told_as_words(tmp_path: Path):
    asked = {**PROTOCOL, "settings": {"subset_size": 100, "k": 3}}
    (one,) = measured([read(run(tmp_path / "a", evaluations=[evaluation(1, 2.0, protocol=asked)]))])

    assert "settings subset size 100; k 3" in protocol(one)
