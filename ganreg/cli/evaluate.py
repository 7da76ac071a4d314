"""`ganreg evaluate`: how good a trained generator is, in numbers that say how they were measured."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ganreg import yamltext
from ganreg.cli import output, runs
from ganreg.cli.data_path import reader_of
from ganreg.cli.options import complete_names
from ganreg.cli.paths import PathName, expanded
from ganreg.cli.session import session_of, with_shared_options
from ganreg.errors import UsageError

if TYPE_CHECKING:
    from ganreg.assembly.evaluation import Evaluation
    from ganreg.engine.measuring import Progress

TICK_SECONDS = 5.0


def _metrics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return complete_names(ctx, "metric", incomplete)


def _extractors(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return complete_names(ctx, "extractor", incomplete)


@with_shared_options
@click.command()
@click.argument("run", type=runs.RunPath())
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME", shell_complete=_metrics, help="repeats  [what suits the data]"
)
@click.option(
    "--extractor", metavar="NAME", shell_complete=_extractors, help="the features that are compared  [those that suit the data]"
)
@click.option(
    "--data",
    metavar="PATH",
    type=PathName(),
    help="other pictures to measure beside, e.g. held-out ones  [those of the training]",
)
@click.option("-n", "--num", "count", type=click.IntRange(2, 10**7), default=2000, show_default=True, help="fakes")
@click.option(
    "--reals", type=click.IntRange(2, 10**7), default=10_000, show_default=True, help="reals, where there are so many"
)
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="of the fakes, and of which reals"
)
@click.option("--checkpoint", "step", type=click.IntRange(0), metavar="STEP", help="that of this step  [the newest]")
@click.option("--best", is_flag=True, help="the checkpoint that was best by the run's first --metric")
@click.option("--set", "said", multiple=True, metavar="KEY=VALUE", help="extractor., METRIC. or dataset.SETTING; repeats")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, …")
@click.option("--workers", type=click.IntRange(0, 1024), default=0, show_default=True, help="processes that read the data")
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs")
@click.pass_context
def evaluate(
    context: click.Context,
    run: str,
    metrics: tuple[str, ...],
    extractor: str | None,
    data: str | None,
    count: int,
    reals: int,
    seed: int,
    step: int | None,
    best: bool,
    said: tuple[str, ...],
    device: str,
    workers: int,
    as_json: bool,
) -> None:
    """Measure a trained generator beside its data.

    RUN is a run's directory, one of its checkpoints, or latest.  Numbers are written with their protocol into
    RUN/evaluations.jsonl; those of unlike protocols are not to be compared.
    """
    session_of(context).registry()
    settings = _settings(said)
    of_data = settings.pop("dataset", {})
    if data is not None and "path" in of_data:
        raise UsageError("two paths of data are given", at="--data", fix="leave out --set dataset.path")
    other = {**_data(data), **of_data}
    directory = runs.find(run)
    from ganreg.assembly.evaluation import prepare

    evaluation = prepare(
        directory,
        metrics=metrics,
        extractor=extractor,
        settings=settings,
        data=other,
        n_fake=count,
        n_real=reals,
        seed=seed,
        step=step,
        use_best=best,
        device=device,
        workers=workers,
    )
    if as_json:
        rows = evaluation.rows()
        evaluation.write(rows)
        output.say_json(rows)
        return
    _say_what(evaluation)
    with _progress() as evaluation.measuring.progress:
        rows = evaluation.rows()
    _say_values(rows)
    output.say(f"written: {evaluation.write(rows)}")


def _data(path: str | None) -> dict[str, Any]:
    """The data set that reads what lies there.  Raises UsageError where none does."""
    if path is None:
        return {}
    where = expanded(path).absolute()
    return {"name": reader_of(where, at="--data"), "path": str(where)}


def _settings(said: Sequence[str]) -> dict[str, dict[str, Any]]:
    """ "extractor.weights=FILE" -> {"extractor": {"weights": "FILE"}}.  Raises UsageError."""
    found: dict[str, dict[str, Any]] = {}
    for word in said:
        key, equals, text = word.partition("=")
        owner, dot, name = key.rpartition(".")
        if not equals or not dot or not owner or not name:
            text = f"expected extractor.SETTING=VALUE or METRIC.SETTING=VALUE, got '{word}'"
            raise UsageError(text, at="--set", fix="--set precision-recall.k=5")
        found.setdefault(owner.removeprefix("metric."), {})[name.replace("-", "_")] = yamltext.scalar(text)
    return found


def _say_what(evaluation: Evaluation) -> None:
    """What comes, and what it will cost, before it starts."""
    one, trained = evaluation.measuring, evaluation.trained
    seconds = evaluation.seconds()
    known = " (known from before)" if one.knows_reals() else ""
    output.say(
        f"{evaluation.run_dir}, step {trained.step}, {trained.weights} weights: "
        f"{one.n_fake:,} fakes beside {one.n_real:,} reals{known} in features of {one.extractor_name}, "
        f"on the {one.device}; about {max(seconds, 0.1):.1f} s"
    )
    if one.note:
        output.say(f"note: {one.note}")


def _say_values(rows: Sequence[dict[str, Any]]) -> None:
    """A table, and how it was measured."""
    shown = [(row["metric"], f"{row['value']:.5g}" if row["value"] is not None else "none", _remark(row)) for row in rows]
    output.table(("metric", "value", "better"), shown)
    told = rows[0]["protocol"]
    resolution = "x".join(map(str, told["resolution"]))
    resize = "" if told["resize"] == "none" else f" ({told['resize']})"
    output.say(
        f"protocol: {told['n_real']:,} reals of {told['split']}, {told['n_fake']:,} fakes, seed {told['seed']}, "
        f"{told['weights']} weights; {told['features']} features of {told['extractor']} {told['extractor_hash'][:12]} "
        f"from {resolution}{resize}"
    )


def _remark(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return str(row["reason"])
    return "higher" if row["higher_is_better"] else "lower"


@contextmanager
def _progress() -> Iterator[Progress]:
    """A live bar on a terminal, else a plain line now and then."""
    if not sys.stdout.isatty():
        told = [time.monotonic()]

        def plain(what: str, done: int, total: int) -> None:
            if time.monotonic() - told[0] >= TICK_SECONDS:
                told[0] = time.monotonic()
                output.say(f"{what} {done:,} of {total:,}")

        yield plain
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeRemainingColumn(), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def live(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield live
