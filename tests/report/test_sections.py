"""The parts of a report say what the run directory says, and what it does not."""

from pathlib import Path

from ganreg.report import sections
from ganreg.report.embedded import film
from ganreg.report.plots import Frames
from ganreg.report.reading import RunRecord, read

from .small import PROTOCOL, evaluation, lines, run


def one(tmp_path: Path, name: str = "mine", **told) -> RunRecord:
    return read(run(tmp_path / name, **told))


def test_the_header_says_how_it_ended_and_how_the_game_stands(tmp_path: Path):
    made = sections.header([one(tmp_path)])

    assert "<h1>mine</h1>" in made
    assert "Done at step 400. 0.21 from equilibrium, D is ahead." in made
    assert "What is missing" not in made


def test_what_is_missing_is_said_at_the_top(tmp_path: Path):
    place = run(tmp_path / "mine")
    (place / "environment.json").unlink()

    assert "environment.json is not there; versions and device are not known" in sections.header([read(place)])


def test_the_slider_has_a_label_and_every_picture_words(tmp_path: Path):
    record = one(tmp_path)
    made = sections.samples([record], [film(record)])

    assert '<label for="step">Step</label><input type="range" id="step" min="0" max="3" step="1" value="3"' in made
    assert made.count("<img") == 5
    assert made.count('alt="Samples after step') == 4
    assert made.count(" hidden>") == 3
    assert 'alt="Real samples from the data"' in made


def test_the_same_reals_are_shown_once(tmp_path: Path):
    records = [one(tmp_path, "a"), one(tmp_path, "b", steps=800)]

    assert sections.samples(records, [film(record) for record in records]).count("Real samples") == 1


def test_a_single_picture_needs_no_slider(tmp_path: Path):
    record = one(tmp_path, steps=100)

    assert "<input" not in sections.samples([record], [film(record)])


def test_evaluations_stand_with_their_protocol(tmp_path: Path):
    record = one(tmp_path, evaluations=[evaluation(200, 2.0), evaluation(400, 3.0)])
    made = sections.metrics([record], Frames([record]).metrics())

    assert "3 <small>at step 400</small><br><small>best 2 <small>at step 200</small></small>" in made
    assert "Protocol: weights ema, extractor pixels, n real 1,797" in made
    assert "frechet-distance <small>lower is better</small>" in made


def test_the_better_run_is_marked_only_under_one_protocol(tmp_path: Path):
    first, second = (one(tmp_path, name, evaluations=[evaluation(400, value)]) for name, value in (("a", 2.0), ("b", 1.0)))
    made = sections.metrics([first, second], [])
    assert made.count('class="best"') == 1
    assert made.index("1 <small>at step 400</small> <strong") > made.index("2 <small>at step 400</small></td>")

    third = one(tmp_path, "c", evaluations=[evaluation(400, 0.5, protocol={**PROTOCOL, "seed": 1})])
    made = sections.metrics([first, third], [])
    assert 'class="best"' not in made
    assert "frechet-distance: not compared, the protocols differ in seed" in made


def test_a_metric_that_failed_says_why(tmp_path: Path):
    record = one(tmp_path, evaluations=[evaluation(400, None, "inception-score", reason="no <classes>")])

    assert "inception-score could not be taken: no &lt;classes&gt;" in sections.metrics([record], [])


def test_a_run_that_was_never_measured_says_how_to(tmp_path: Path):
    assert "Nothing was evaluated: ganreg evaluate" in sections.metrics([one(tmp_path)], [])


def test_the_watchdog_s_words_are_there(tmp_path: Path):
    place = run(tmp_path / "mine")
    assert "No warning is recorded" in sections.words([read(place)])

    (place / "words.jsonl").write_text(lines({"step": 300, "told": "D has won since step 200"}))
    assert "<li>step 300: D has won since step 200</li>" in sections.words([read(place)])


def test_settings_that_differ_come_first_and_the_rest_is_folded(tmp_path: Path):
    made = sections.settings([one(tmp_path, "a"), one(tmp_path, "b", loss="hinge")])

    assert made.count("<tr class=differs>") == 1
    assert "<td>bce</td><td>hinge</td>" in made
    assert "7 settings are the same" in made


def test_steady_learning_rates_are_a_sentence(tmp_path: Path):
    record = one(tmp_path)

    assert "the same at every step: G 0.002, D 0.001." in sections.machine_room([record], Frames([record]).pace())


def test_the_command_that_repeats_it_is_quoted_for_a_shell(tmp_path: Path):
    record = one(tmp_path, "it's $HOME")
    made = sections.repeat([record])

    assert "ganreg train -c &#x27;" in made
    record.config["plugin_files"] = {"my loss.py": "0" * 64}
    assert "/config.yaml&#x27; --plugin &#x27;my loss.py&#x27;" in sections.repeat([record]).replace("&quot;", "")
    record.repeatable = False
    assert "ganreg train" not in sections.repeat([record])
    assert "Settings alone do not repeat this run" in sections.repeat([record])
