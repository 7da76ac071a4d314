"""`ganreg compare`: runs side by side on the terminal, as far as they may be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ganreg.cli import output, runs
from ganreg.cli.session import with_shared_options
from ganreg.errors import UsageError

if TYPE_CHECKING:
    from ganreg.report.reading import Evaluation, RunRecord


@with_shared_options
@click.command(short_help="Compare runs on the terminal.")
@click.argument("run", type=runs.RunPath(), nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs")
def compare(run: tuple[str, ...], as_json: bool) -> None:
    """Compare runs: settings that differ, losses, evaluations under like protocols, pace, and how they ended.

    RUN is a run's directory or latest.  Evaluations under unlike protocols are never put beside each other.
    """
    from ganreg.report import reading

    if len(run) < 2:
        raise UsageError("one run has nothing to be compared with", at="RUN", fix="ganreg compare RUN RUN")
    records = reading.read_all([runs.find(word) for word in run])
    if as_json:
        output.say_json(as_plain(records))
        return
    _tell(records)
    for record in records:
        for gap in record.missing:
            output.complain(f"{record.name}: {gap}")


def _tell(records: Sequence[RunRecord]) -> None:
    from ganreg.report.beside import entries, failures, measured, unlike
    from ganreg.report.overview import BEST, overview, protocols, value_at

    names = [record.name for record in records]
    output.table(["", *names], [[label, *texts] for label, texts in overview(records)])
    output.say(BEST)
    found = entries([record.config for record in records])
    differ = [[entry.key, *("–" if value is None else value for value in entry.values)] for entry in found if entry.differs]
    output.say()
    if differ:
        output.table(["settings that differ", *names], differ)
        output.say(f"{len(found) - len(differ)} settings are the same")
    else:
        output.say("no setting differs" if found else "no settings are known")
    rows = []
    marks = measured(records)
    ways = protocols(marks)
    for one in marks:
        cells = ["–" if pair is None else value_at(pair[1]) for pair in one.runs]
        leader = one.leader()
        cells = [f"{cell}  *" if index == leader else cell for index, cell in enumerate(cells)]
        rows.append([f"{one.metric} ({'higher' if one.higher_is_better else 'lower'})", *cells, str(ways[one.way][0])])
    output.say()
    if rows:
        output.table(["best of each metric (better)", *names, "protocol"], rows)
    else:
        output.say("nothing was evaluated")
    if any(one.leader() is not None for one in marks):
        output.say("*: the best of the runs")
    for number, words in ways.values():
        output.say(f"protocol {number}: {words}")
    for sentence in unlike(marks):
        output.say(sentence)
    for record in records:
        for failed in failures(record):
            output.say(f"{record.name}: {failed.metric} could not be taken: {failed.reason}")


def as_plain(records: Sequence[RunRecord]) -> dict[str, Any]:
    """Everything of it as plain values."""
    from dataclasses import asdict

    from ganreg.report.beside import entries, measured, unlike
    from ganreg.report.facts import best_loss, facts, last

    def of(record: RunRecord) -> dict[str, Any]:
        losses = {}
        for name in ("loss_d", "loss_g"):
            end, best = last(record, name), best_loss(record, "loss_d" if name == "loss_d" else "loss_g")
            losses[name] = {"last": end[1] if end else None, "best": best[1] if best else None}
            losses[name]["best_step"] = best[0] if best else None
        told = {"run": str(record.path), "name": record.name, **asdict(facts(record)), **losses}
        return {**told, "equilibrium": record.equilibrium, "end": record.end, "missing": record.missing}

    found = measured(records)
    return {
        "runs": [of(record) for record in records],
        "settings": {entry.key: list(entry.values) for entry in entries([r.config for r in records]) if entry.differs},
        "evaluations": [
            {
                "metric": one.metric,
                "weights": one.weights,
                "extractor": one.extractor,
                "protocol": dict(one.protocol),
                "higher_is_better": one.higher_is_better,
                "runs": [None if pair is None else {"last": _of(pair[0]), "best": _of(pair[1])} for pair in one.runs],
            }
            for one in found
        ],
        "unlike": unlike(found),
    }


def _of(one: Evaluation) -> dict[str, Any]:
    return {"step": one.step, "value": one.value}
