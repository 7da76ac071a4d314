"""Whatever words are typed, the answer is a documented exit status: no traceback, no fault of ours, nothing written."""

from __future__ import annotations

import contextlib
import io
import re
from itertools import chain
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import strategies as st

from ganreg.cli import main
from ganreg.cli.train import train
from ganreg.contracts import PLURALS
from tests.cli.conftest import TINY, Run
from tests.fuzzing import EXAMPLES, fuzzed

DOCUMENTED = {0, 2, 3, 4, 5, 6, 7, 8}
"""docs/errors.md, without what ends us from outside (130, 143) and our own faults (70)."""

STRANGE = [
    *("", " ", "~", "-", "--", "=", "..", "/", "~no/body", "/dev/null", "x" * 300, "x/" * 3000, "latest", "none", "null", "#"),
    *("\0", "a\0b", "\udcff", "\x1b[2J", "\u202eé"),
    *("*a", "[1", "{a: {b: 1}}", "[[[]]]", "{" * 40, "a=b", "!!python/object:os.system x", "a: 1"),
]
NUMBERS = ["-0", "0", "1", "-1", "8", "010", "0x10", "1_0", "1e-4", "1e309", "-1e309", "nan", ".nan", "inf", "9" * 5000]
NAMES = ["dcgan", "mlp", "hinge", "bce", "adam", "gaussians", "digits", "image-folder", "r1", "hinje", "ganreg:dcgan"]
KEYS = ["generator", "generator.latent_dim", "generator.hidden", "generator.name", "optimizer.lr", "optimizer.betas", "ema"]
KEYS += ["ema.half_life", "dataset", "dataset.path", "dataset.resolution", "loss", "regularizer.r1.weight", "regularizers"]
KEYS += ["steps", "epochs", "batch_size", "seed", "clip", "recipe", "schema_version", "plugin_files", "x", ".".join("é" * 999)]

values = st.sampled_from([*STRANGE, *NUMBERS, *NAMES, "true"]) | st.text(max_size=20)
sets = st.builds("{}={}".format, st.sampled_from(KEYS) | st.text("ab.-_é\0", max_size=12), values)

LEFT_OUT = {"plugin", "debug"}
"""The one runs a file and the other shows tracebacks, which is what they are for."""

SLOW = {"compile": ["off", "on!"], "workers": ["0", "-1", "nan", "1e309"]}
"""A compiler and a thousand processes take their time when they are asked for, so they are not."""


def option(param: click.Parameter) -> st.SearchStrategy[list[str]]:
    """One of an option's spellings with a value, beside it or after `=`."""
    name = st.sampled_from(param.opts)
    if getattr(param, "is_flag", False):
        return st.tuples(name).map(list)
    value = st.sampled_from(SLOW[param.name]) if param.name in SLOW else sets | values if param.name == "set" else values
    return st.tuples(name, value).map(list) | st.builds("{}={}".format, name, value).map(lambda word: [word])


parts = st.builds(
    "--{}={}".format,
    st.sampled_from(["generator.latent-dim", "generator.hidden", "loss.margin", "optimizer.lr", "x.y"]),
    values,
)
typed = st.one_of(
    *(option(param) for param in train.params if param.name not in LEFT_OUT),
    parts.map(lambda word: [word]),
    st.lists(values, max_size=1),
)
tails = st.lists(typed, max_size=4).map(lambda words: list(chain(*words)))
bases = st.sampled_from([[], list(TINY[:4]), ["--generator", "mlp", "--loss", "hinge", "--regularizer", "r1"]])
configurations = st.builds(
    lambda verb, base, tail: [*verb, *base, *tail], st.sampled_from([["train", "--dry-run"], ["config", "show"]]), bases, tails
)


strange = st.sampled_from(STRANGE) | st.text(max_size=20)
flags = st.lists(
    st.sampled_from(
        ["--json", "--debu", "-h", "--", "-x", "--no-plugin=x", "--plugin=x.py", "--plugin=\0", "--plugin=" + "x" * 300]
    ),
    max_size=1,
)
kinds = st.sampled_from([*PLURALS, *PLURALS.values(), "recipe", "recipes"]) | values
of_parts = st.one_of(
    st.tuples(st.just("list"), kinds).map(list),
    st.tuples(st.just("show"), kinds, st.sampled_from(NAMES) | values).map(list),
    st.tuples(st.sampled_from(["checkpoint", "config", "plugins", *STRANGE]), st.sampled_from(["schema", "list"]) | values).map(
        list
    ),
)
looks = st.builds(lambda verb, more, last: [*verb, *more, *last], of_parts, st.lists(values, max_size=1), flags)


def of_runs(run: Path) -> st.SearchStrategy[list[str]]:
    """Words for the verbs that read a run: `run` is a whole one, all others are none.  What they write, they write there."""
    within = [str(run), f"{run}/checkpoints/step-00000003", f"{run}/config.yaml", f"{run}/none", f"{run}/checkpoints"]
    files = [
        "x.txt",
        "/dev/null/x.png",
        "a\0.png",
        "x" * 300 + ".png",
        f"{run}/config.yaml/x.npz",
        f"{run}/x.npz",
        f"{run}/x.PNG",
    ]
    counts = st.sampled_from(NUMBERS)
    sampling = st.one_of(
        st.tuples(st.sampled_from(["-n", "--num", "--seed"]), counts),
        st.tuples(st.just("--out"), st.sampled_from([*files, "", ".", "-", "\0", "latest"])),
        st.tuples(
            st.just("--separate"), st.sampled_from([*within, "", ".", "\0", "/dev/null/x", "x" * 300, f"{run}/config.yaml/x"])
        ),
        st.sampled_from(["--force", "--json", "--"]).map(lambda word: (word,)),
    ).map(list)
    options = st.lists(sampling, max_size=3).map(lambda words: list(chain(*words)))
    whole = st.builds(lambda where, more: ["sample", where, *more], st.sampled_from(within), options)
    other = st.builds(lambda where, more: ["sample", where, *more], strange, st.lists(values, max_size=3))
    verbs = st.sampled_from([["checkpoint", "list"], ["checkpoint", "verify"], ["train", "--dry-run", "--resume"]])
    verified = st.builds(lambda verb, where, last: [*verb, where, *last], verbs, st.sampled_from(within) | strange, flags)
    resumed = st.builds(lambda more: ["train", "--dry-run", "--resume", str(run), *more], tails)
    return whole | other | verified | resumed


class Listener:
    """Runs command lines, none of which may train; remembers their statuses, which tell whether anything was tried."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*args: Any, **settings: Any) -> None:
            raise AssertionError("trained")

        monkeypatch.setattr("ganreg.assembly.train_config", refuse)
        main(["train", "--dry-run"])  # what is imported once is imported now
        self.place = place
        self.met: set[int] = set()

    def __call__(self, words: list[str]) -> None:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in "ab")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(words)
        err.seek(0)
        told = err.read()
        assert status in DOCUMENTED, told
        assert "Traceback" not in told
        assert "GR902" not in told
        errors = re.sub(r"^(warning: --no-plugin names .*\n)*", "", told)
        assert (status == 0) or errors.startswith(("error[GR", "Usage: ")), told
        assert not list(self.place.iterdir())
        self.met.add(status)


@pytest.mark.parametrize("count", EXAMPLES)
def test_any_words_for_a_run_are_a_configuration_or_one_of_our_errors(count: int, place: Path, monkeypatch):
    listener = Listener(place, monkeypatch)

    fuzzed(count, configurations, listener)

    assert listener.met >= {0, 2}


@pytest.mark.parametrize("count", EXAMPLES)
def test_any_words_about_parts_are_answered_or_refused(count: int, place: Path, monkeypatch):
    listener = Listener(place, monkeypatch)

    fuzzed(count, looks, listener)

    assert listener.met >= {0, 2}


@pytest.mark.parametrize("count", EXAMPLES)
def test_any_words_about_runs_are_answered_or_refused(count: int, place: Path, tmp_path: Path, run: Run, monkeypatch):
    done = tmp_path / "run"
    assert run("train", *TINY, "--quiet", "--out", str(done)).status == 0
    listener = Listener(place, monkeypatch)

    fuzzed(count, of_runs(done), listener)

    assert listener.met >= {0, 2, 6}
