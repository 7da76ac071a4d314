import inspect
import pickle

import pytest

from ganreg import errors
from ganreg.errors import GanregError, SettingsError, UnknownNameError, did_you_mean

EVERY = [item for item in vars(errors).values() if inspect.isclass(item) and issubclass(item, GanregError)]
EXIT_OF_HUNDREDS = {1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7, 7: 8, 9: 70}


def test_an_error_says_what_where_and_what_to_do():
    error = UnknownNameError("no loss is named 'hinje'", at="--loss", fix="ganreg list loss")

    assert str(error) == "error[GR101]: no loss is named 'hinje'\n  at: --loss\n  fix: ganreg list loss"


def test_an_error_without_place_or_remedy_is_one_line():
    assert str(GanregError("this is ours")) == "error[GR902]: this is ours"


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.__name__)
def test_the_hundreds_of_a_code_are_the_exit_status(error):
    assert error.code.startswith("GR")
    assert len(error.code) == 5
    assert error.exit_code == EXIT_OF_HUNDREDS[int(error.code[2])]


def test_no_two_errors_share_a_code_and_each_has_its_own():
    assert len(EVERY) > 20
    assert len({error.code for error in EVERY}) == len(EVERY)
    assert [error.__name__ for error in EVERY if "code" not in vars(error)] == []


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.__name__)
def test_every_error_is_told_in_words(error):
    assert error.__doc__
    assert error.__doc__.rstrip().endswith(".")


def test_terminal_escapes_in_a_name_are_shown_and_not_sent():
    error = UnknownNameError("no loss is named '\x1b[31mred\x07'", at="--loss \x9b2J\r", fix="ganreg list loss")

    assert str(error).splitlines() == [
        r"error[GR101]: no loss is named '\x1b[31mred\x07'",
        r"  at: --loss \x9b2J\r",
        "  fix: ganreg list loss",
    ]


def test_one_fault_is_the_error_itself_at_its_place():
    error = SettingsError([("run.yaml:3:1", "width must be 1")], at="loss 'x'", fix="ganreg show loss x")

    assert str(error) == "error[GR103]: width must be 1\n  at: run.yaml:3:1\n  fix: ganreg show loss x"


def test_several_faults_are_listed_each_with_a_place_that_is_not_the_first():
    error = SettingsError([("a:1", "one"), ("", "two"), ("b:2", "three")], at="x", fix="y")

    assert error.what == "3 settings are wrong\n  - one\n  - two\n  - three (b:2)"
    assert error.at == "a:1"


def test_the_faults_of_several_components_become_one_error():
    one = SettingsError([("a:1", "one"), ("a:2", "two")], at="generator 'g'", fix="f")
    other = SettingsError("three", at="loss 'l'", fix="g")
    error = SettingsError.together([one, other])

    assert error.faults == [("a:1", "one"), ("a:2", "two"), ("loss 'l'", "three")]
    assert error.what == "3 settings are wrong\n  - one\n  - two (a:2)\n  - three (loss 'l')"
    assert SettingsError.together([one]) is one


@pytest.mark.parametrize("error", [UnknownNameError("x", at="a", fix="f"), errors.BadImageError("y", at="b")])
def test_an_error_of_a_worker_process_arrives_whole(error):
    again = pickle.loads(pickle.dumps(error))

    assert (type(again), again.what, again.at, again.fix) == (type(error), error.what, error.at, error.fix)


def test_a_near_word_is_offered_and_a_far_one_is_not():
    assert did_you_mean("hinje", ["bce", "hinge"]) == " Did you mean 'hinge'?"
    assert did_you_mean("xyz", ["bce", "hinge"]) == ""
    assert did_you_mean("hinge", []) == ""
