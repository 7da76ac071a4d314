"""A run in a column of words: what stands first in a report, and what `ganreg compare` shows."""

from __future__ import annotations

from collections.abc import Sequence

from ganreg.errors import printable
from ganreg.report.beside import Measured
from ganreg.report.facts import Facts, best_loss, facts, last
from ganreg.report.reading import Evaluation, RunRecord
from ganreg.report.wording import duration, shown

Labelled = tuple[str, list[str]]
"""What is told, and its text for each run."""


def overview(records: Sequence[RunRecord]) -> list[Labelled]:
    """How each run ended, how far and fast it went, how its game stands; a line that no run can fill is left out."""
    told = [facts(record) for record in records]
    rows = [
        ("ended", [one.ended for one in told]),
        ("steps", [_of(one) for one in told]),
        ("images", [_count(one.images) for one in told]),
        ("time", [duration(one.seconds) if one.seconds is not None else "–" for one in told]),
        ("images per second", [shown(one.images_per_second, 3) for one in told]),
        ("loss of D, last", [_last(record, "loss_d") for record in records]),
        ("loss of D, best", [_best(record, "loss_d") for record in records]),
        ("loss of G, last", [_last(record, "loss_g") for record in records]),
        ("loss of G, best", [_best(record, "loss_g") for record in records]),
        ("D(x), last", [_last(record, "d_real") for record in records]),
        ("D(G(z)), last", [_last(record, "d_fake") for record in records]),
        ("balance", [one.balance or "–" for one in told]),
    ]
    return [(label, texts) for label, texts in rows if any(text != "–" for text in texts)]


BEST = "Best: nearest to the loss's own equilibrium; the lowest, where the run tells none."


def protocol(one: Measured) -> str:
    """Everything that a number depends on, in one line."""
    facts = {"weights": one.weights, "extractor": one.extractor, **one.protocol}
    return ", ".join(f"{key.replace('_', ' ')} {_plain(value)}" for key, value in facts.items() if value not in ("", None, {}))


def protocols(found: Sequence[Measured]) -> dict[str, tuple[int, str]]:
    """Each way of measuring: the number by which a table calls it, and its words."""
    ways = {one.way: protocol(one) for one in found}
    return {way: (number, words) for number, (way, words) in enumerate(ways.items(), start=1)}


def value_at(one: Evaluation) -> str:
    """ "2.31 at step 8,000"."""
    return f"{shown(one.value)} at step {one.step:,}"


def _plain(value: object) -> str:
    if isinstance(value, list):
        return " x ".join(map(str, value))
    if isinstance(value, dict):
        return "; ".join(f"{str(key).replace('_', ' ')} {_plain(one)}" for key, one in value.items())
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return printable(text if len(text) <= 40 else f"{text[:12]}…")


def _of(one: Facts) -> str:
    if one.step is None:
        return "–"
    return f"{one.step:,} of {one.of_steps:,}" if one.of_steps is not None else f"{one.step:,}"


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _last(record: RunRecord, name: str) -> str:
    found = last(record, name)
    return shown(found[1]) if found else "–"


def _best(record: RunRecord, name: str) -> str:
    found = best_loss(record, "loss_d" if name == "loss_d" else "loss_g")
    return f"{shown(found[1])} at step {found[0]:,}" if found else "–"
