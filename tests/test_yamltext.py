import contextlib
import os
import time
import tracemalloc

import pytest
from hypothesis import strategies as st

from ganreg.errors import ConfigFileError, ConfigSyntaxError, GanregError
from ganreg.yamltext import MAX_BYTES, MAX_DEPTH, dump, parse, read, scalar
from tests.fuzzing import EXAMPLES, fuzzed

# --- scalars ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e-4", 0.0002),
        ("1.5E+3", 1500.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.inf", float("-inf")),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("[0, 0.9]", [0, 0.9]),
        ("{a: 1}", {"a": 1}),
    ],
)
def test_a_scalar_is_what_yaml_1_2_says(text, value):
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


@pytest.mark.parametrize(
    "text", ["off", "no", "yes", "on", "Y", "1:30", "010", "0x10", "1_000", "2026-01-31", "1.2.3", ".", "=", "<<"]
)
def test_what_yaml_1_1_would_turn_into_something_else_stays_a_word(text):
    assert scalar(text) == text


@pytest.mark.parametrize("text", ["[a", "a: b: c", "*a", "!!int 3", "@x", "9" * 5000, "a\0b"])
def test_a_command_line_word_that_is_no_yaml_is_the_word_itself(text):
    assert scalar(text) == text


# --- keys and their places --------------------------------------------------------------------------------------------


def test_every_key_knows_its_line_and_column():
    document = parse("loss: bce\ngenerator:\n  name: dcgan\n  width: 64\nregularizers:\n- r1\n- {name: r2}\n", "run.yaml")

    assert document.place(("loss",)) == "run.yaml:1:1"
    assert document.place(("generator", "width")) == "run.yaml:4:3"
    assert document.place(("regularizers", "0")) == "run.yaml:6:3"
    assert document.place(("regularizers", "1", "name")) == "run.yaml:7:4"


def test_an_unknown_place_is_that_of_the_nearest_key_above_it():
    document = parse("a: 1\ngenerator:\n  name: dcgan\n", "run.yaml")

    assert document.place(("generator", "width")) == "run.yaml:2:1"
    assert document.place(("nothing",)) == "run.yaml"


@pytest.mark.parametrize("second", ["batch_size", "batch-size"])
def test_a_key_that_stands_twice_is_refused_with_both_lines_in_either_spelling(second):
    with pytest.raises(ConfigSyntaxError) as told:
        parse(f"loss: bce\nbatch_size: 1\n{second}: 2\n", "run.yaml")

    assert told.value.what == f"the key '{second}' stands twice (first in line 2)"
    assert told.value.at == "run.yaml:3:1"
    assert (told.value.code, told.value.exit_code) == ("GR104", 2)


def test_a_key_that_stands_twice_deep_inside_is_refused_too():
    with pytest.raises(ConfigSyntaxError, match="the key 'x' stands twice"):
        parse("a:\n  - b: {x: 1, x: 2}\n")


@pytest.mark.parametrize("text", ["1: a", "true: a", "null: a", "? [a]\n: b", "? {a: 1}\n: b", "a: {2: b}"])
def test_a_key_that_is_no_word_is_refused(text):
    with pytest.raises(ConfigSyntaxError, match="a key must be a word"):
        parse(text)


# --- what is refused --------------------------------------------------------------------------------------------------

BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize(
    ("text", "what", "at"),
    [
        ("", "expected a mapping of settings, got nothing", "c.yaml"),
        ("# only words\n", "expected a mapping of settings, got nothing", "c.yaml"),
        ("- a\n- b\n", "expected a mapping of settings, got list", "c.yaml"),
        ("hello", "expected a mapping of settings, got str", "c.yaml"),
        ("a: [1", "expected ',' or ']', but got '<stream end>'", "c.yaml:1:6"),
        ("a: 1\n---\nb: 2\n", "but found another document", "c.yaml:2:1"),
        ("a: x\nb: \x07\n", r"unreadable character '\x07'", "c.yaml:2:4"),
        ("x: " + "[" * 10_000, f"nested deeper than {MAX_DEPTH} levels", f"c.yaml:1:{3 + MAX_DEPTH}"),
        ("- " * 10_000, f"nested deeper than {MAX_DEPTH} levels", f"c.yaml:1:{1 + 2 * MAX_DEPTH}"),
        (BOMB, "aliases are not allowed", "c.yaml:2:8"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "tags are not allowed, got 'tag:yaml.org,2002:python/object/apply:os.system'",
            "c.yaml:1:4",
        ),
        ('a: !!int ""', "tags are not allowed, got 'tag:yaml.org,2002:int'", "c.yaml:1:4"),
        ("a: !!bool perhaps", "tags are not allowed, got 'tag:yaml.org,2002:bool'", "c.yaml:1:4"),
        ("!mine\na: 1", "tags are not allowed, got '!mine'", "c.yaml:1:1"),
    ],
)
def test_a_malformed_text_is_refused_in_words_with_its_place(text, what, at):
    begin = time.process_time()
    with pytest.raises(ConfigSyntaxError) as told:
        parse(text, "c.yaml")

    assert (told.value.what, told.value.at) == (what, at)
    assert time.process_time() - begin < 1.0


def test_a_mapping_as_deep_as_allowed_is_read():
    text = "".join(f"{'  ' * level}a:\n" for level in range(MAX_DEPTH - 1)) + "  " * MAX_DEPTH + "leaf\n"

    assert list(parse(text).values) == ["a"]
    with pytest.raises(ConfigSyntaxError, match="nested deeper"):
        parse("a: {" * MAX_DEPTH + "}" * MAX_DEPTH)


@pytest.mark.parametrize("unit", ["1,", "[],", "{},", "'',", "? a\n", "- a\n", "#\n", "a\n", "&a "])
def test_the_largest_file_of_any_form_is_read_or_refused_within_seconds_of_work(unit):
    text = "x: [" + unit * ((MAX_BYTES - 5) // len(unit)) + "]"
    begin = time.process_time()
    with contextlib.suppress(GanregError):
        parse(text)

    assert time.process_time() - begin < 5.0  # 0.8 to 1.4 s of work; a busy machine takes twice as long for the same


YAML = st.text(alphabet=st.sampled_from("ab:-[]{},&*!|>'\"%@`#?~01.e \n\t\\\x00\x85é\ud800"), max_size=60)


@pytest.mark.parametrize("count", EXAMPLES)
def test_any_text_is_a_document_or_one_of_our_errors(count):
    def check(text):
        with contextlib.suppress(ConfigSyntaxError):
            assert isinstance(parse(text).values, dict)

    fuzzed(count, YAML, check)


# --- files ------------------------------------------------------------------------------------------------------------


def refused(path, error=ConfigSyntaxError):
    begin = time.perf_counter()
    tracemalloc.start()
    try:
        with pytest.raises(error) as told:
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - begin < 5.0
    assert told.value.exit_code == 2
    return told.value


def test_a_file_is_read_and_named_in_places(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_bytes(b"\xef\xbb\xbfloss: hinge\r\nlabel: \xc3\xa9\r\n")

    document = read(path)

    assert document.values == {"loss": "hinge", "label": "é"}
    assert document.place(("label",)) == f"{path}:2:1"


def test_a_missing_file_a_folder_and_a_pipe_are_refused_by_what_they_are(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    assert refused(tmp_path / "none.yaml", ConfigFileError).what == "the configuration file does not exist"
    assert refused(tmp_path, ConfigFileError).what == "the configuration file is a directory"
    assert refused(tmp_path / "pipe", ConfigFileError).what == "the configuration file is not a file"
    assert refused(tmp_path / "none.yaml", ConfigFileError).at == str(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    assert refused(tmp_path / name, ConfigFileError).code == "GR105"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused_with_the_reason(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("loss: bce")
    path.chmod(0)

    assert refused(path, ConfigFileError).what == "the configuration file cannot be opened: Permission denied"


def test_fifty_megabytes_are_refused_unread(tmp_path):
    path = tmp_path / "run.yaml"
    with path.open("wb") as file:
        file.truncate(50 * 2**20)

    assert refused(path).what == "the file is larger than 64 KiB"


def test_a_file_of_exactly_the_largest_size_is_read(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_bytes(b"loss: bce #".ljust(MAX_BYTES, b"."))

    assert read(path).values == {"loss": "bce"}
    path.write_bytes(b"loss: bce #".ljust(MAX_BYTES + 1, b"."))
    refused(path)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "expected a mapping of settings, got nothing"),
        (b"loss: \xff\xfe", "the file is not UTF-8 text (byte 6)"),
        (b"\x89PNG\r\n\x1a\n\0\0", "the file is not UTF-8 text (byte 0)"),
        (b"PK\x03\x04\0\0", r"unreadable character '\x03'"),
        (b"a: \0", r"unreadable character '\x00'"),
    ],
)
def test_an_empty_or_binary_file_is_refused(tmp_path, data, what):
    path = tmp_path / "run.yaml"
    path.write_bytes(data)

    assert refused(path).what == what


@st.composite
def damaged(draw):
    """A good file with bytes put in the place of others."""
    content = bytearray(b"loss: {name: hinge, margin: 2e-4}\n# a word\nbetas: [0, 0.9]\nname: 'x'\npath: |\n  \xc3\xa9\n")
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(content)))
        content[place : place + draw(st.integers(0, 4))] = draw(st.binary(max_size=4) | YAML.map(encoded))
    return bytes(content)


def encoded(text):
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("count", EXAMPLES)
def test_any_bytes_are_a_document_or_one_of_our_errors(count, tmp_path):
    path = tmp_path / "run.yaml"
    documents = []

    def check(content):
        path.write_bytes(content)
        with contextlib.suppress(ConfigSyntaxError):
            documents.append(read(path).values)

    fuzzed(count, st.binary(max_size=80) | YAML.map(encoded) | damaged(), check)

    assert documents
    assert all(isinstance(values, dict) for values in documents)


# --- writing ----------------------------------------------------------------------------------------------------------

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "1e-4",
        "010",
        "1:30",
        "no",
        "true",
        "null",
        "~",
        "",
        " ",
        "-",
        "a: b",
        "#x",
        "[a",
        "<<",
        "!!int 1",
        "*a",
        "&a",
        ".inf",
        "a,b",
        "é\n",
    ]
)
NUMBERS = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False)
KEYS = WORDS.map(lambda word: word.replace("-", "_"))
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("count", EXAMPLES)
def test_what_is_written_is_read_back_the_same(count):
    def check(values):
        again = parse(dump(values)).values

        assert again == values
        assert repr(again) == repr(values)  # 1 stays an integer, 1.0 a float, True a truth value

    fuzzed(count, st.dictionaries(KEYS, PLAIN, max_size=5), check)


def test_numbers_and_short_lists_are_written_as_people_write_them():
    text = dump({"lr": 2e-4, "eps": 1e-8, "betas": [0.5, 0.999], "top": float("inf"), "layout": "no", "augmentation": None})

    assert text == "lr: 0.0002\neps: 1e-08\nbetas: [0.5, 0.999]\ntop: .inf\nlayout: no\naugmentation: null\n"


def test_a_tab_is_told_as_one():
    with pytest.raises(ConfigSyntaxError, match="a tab, where YAML takes spaces alone") as told:
        parse("generator:\n\tname: dcgan\n", "a.yaml")
    assert told.value.at == "a.yaml:2:1"
