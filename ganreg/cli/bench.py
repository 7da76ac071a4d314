"""`ganreg bench`: ours beside torch's own, on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ganreg.bench import CASES, DTYPES, LEAST_ROUNDS, ROUNDS, SIZES
from ganreg.cli import output
from ganreg.cli.group import Verbs
from ganreg.cli.session import with_shared_options
from ganreg.cli.words import Choice
from ganreg.errors import StorageError, UsageError

BUSY = 0.5
"""The load at which something else runs, too."""

MOST_LOGITS = 2**31
"""Of which the contenders hold ten tensors."""

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
STDOUT = "-"


@with_shared_options
@click.command()
@click.option("--device", type=Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="where")
@click.option("--dtype", "dtypes", type=Choice(DTYPES), multiple=True, default=DTYPES[:1], show_default=True, help="repeats")
@click.option(
    "--sizes",
    type=click.IntRange(min=1, max=MOST_LOGITS),
    multiple=True,
    default=SIZES,
    show_default=True,
    metavar="N",
    help="logits of a side; repeats",
)
@click.option("--rounds", type=click.IntRange(min=LEAST_ROUNDS), default=ROUNDS, show_default=True, help="of all contenders")
@click.option("--pair", is_flag=True, help="the discriminator's form: N reals and N fakes")
@click.option("--json", "json_file", metavar="FILE", help="write everything as JSON; - for stdout, instead of the table")
@click.option("--plot", "plot_file", metavar="FILE.svg", help="draw time per logit against N")
def loss(
    device: str,
    dtypes: tuple[str, ...],
    sizes: tuple[int, ...],
    rounds: int,
    pair: bool,
    json_file: str | None,
    plot_file: str | None,
) -> None:
    """Time the fused loss: value and gradient, beside torch's eager and compiled ones and a plain copy.

    All take turns in one process. A ratio is the median over rounds, with its quartiles.
    """
    _check_places(json_file, plot_file)
    from ganreg.bench.chart import loss_chart
    from ganreg.bench.loss import measure

    told = measure(device=device, dtypes=dtypes, sizes=sizes, rounds=rounds, pair=pair, tell=output.complain)
    if (told["machine"]["load"] or 0) > BUSY:
        output.complain(
            f"the machine was busy (load {told['machine']['load']:.1f}): threads that wait for each other look slow"
        )
    text = json.dumps(told, indent=1, ensure_ascii=False)
    if json_file == STDOUT:
        output.say(text)
    else:
        _tell(told)
    if json_file and json_file != STDOUT:
        _write(json_file, text + "\n", "--json")
    if plot_file:
        _write(plot_file, loss_chart(told), "--plot")


def _tell(told: dict[str, Any]) -> None:
    _say_where(told)
    output.table(["dtype", "logits", "contender", "time", "eager takes", "compiled takes", "of copy", "GB/s"], _rows(told))
    for reason in dict.fromkeys(f"{name}: not run: {why}" for row in told["rows"] for name, why in row["not_run"].items()):
        output.say(output.clean(reason))


@with_shared_options
@click.command()
@click.option("--device", type=Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="where")
@click.option(
    "--case",
    "cases",
    type=Choice(list(CASES)),
    multiple=True,
    default=list(CASES),
    show_default=True,
    help="networks and samples per update; repeats",
)
@click.option("--rounds", type=click.IntRange(min=LEAST_ROUNDS), default=ROUNDS, show_default=True, help="of all contenders")
@click.option("--precision", type=Choice(["auto", "fp32", "bf16", "fp16"]), default="auto", show_default=True, help="ours")
@click.option("--channels-last", type=Choice(["auto", "on", "off"]), default="auto", show_default=True, help="ours")
@click.option("--compile", type=Choice(["auto", "on", "off"]), default="auto", show_default=True, help="ours")
@click.option("--cuda-graphs", type=Choice(["auto", "on", "off"]), default="auto", show_default=True, help="ours")
@click.option("--json", "json_file", metavar="FILE", help="write everything as JSON; - for stdout, instead of the table")
@click.option(
    "--profile", "trace", metavar="TRACE.json", help="instead: write a trace for Chrome of our steps, and tell the dearest"
)
def step(
    device: str,
    cases: tuple[str, ...],
    rounds: int,
    precision: str,
    channels_last: str,
    compile: str,
    cuda_graphs: str,
    json_file: str | None,
    trace: str | None,
) -> None:
    """Time a whole training step beside the plain loop of the public tutorials: the same networks, batch and data.

    All take turns in one process. A ratio is the median over rounds, with its quartiles.
    """
    _check_places(json_file, None)
    _check_places(trace, None)
    from ganreg.bench.step import measure, profile

    options = {"precision": precision, "channels_last": channels_last, "compile": compile, "cuda_graphs": cuda_graphs}
    if trace:
        rows = profile(cases[0], device, options, Path(trace))
        output.table(["operator", "ms a step", "calls a step"], ([name, f"{ms:.2f}", f"{calls:g}"] for name, ms, calls in rows))
        output.say(f"{trace}: open it at chrome://tracing")
        return
    told = measure(device=device, cases=cases, rounds=rounds, options=options, tell=output.complain)
    if json_file == STDOUT:
        output.say(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        _say_where(told)
        output.table(["case", "contender", "a step", "images/s", "takes, of ganreg"], _step_rows(told))
    if json_file and json_file != STDOUT:
        _write(json_file, json.dumps(told, indent=1, ensure_ascii=False) + "\n", "--json")


def _step_rows(told: dict[str, Any]) -> Iterator[list[str]]:
    for row in told["rows"]:
        for name, found in row["contenders"].items():
            yield [
                row["case"],
                name,
                _seconds(found["median"]),
                f"{found['images_per_second']:.0f}",
                _times(row["ratios"].get(f"{name} / ganreg")),
            ]


bench = with_shared_options(
    Verbs(
        "bench",
        help="Measure what is fast here: ours beside torch's own.",
        verbs={
            "loss": ("ganreg.cli.bench:loss", "Time the fused loss beside torch's eager and compiled ones."),
            "step": ("ganreg.cli.bench:step", "Time a training step beside the loop of the public tutorials."),
        },
    )
)


def _check_places(json_file: str | None, plot_file: str | None) -> None:
    """Minutes of measuring must not end in a place that cannot be written."""
    if plot_file and Path(plot_file).suffix != ".svg":
        raise UsageError(f"expected a file that ends in .svg, got '{plot_file}'", at="--plot", fix="--plot loss.svg")
    for file in (json_file, plot_file):
        if not file or file == STDOUT:
            continue
        if Path(file).is_dir():
            raise UsageError(f"'{file}' is a folder", at=file, fix="name a file")
        if not Path(file).parent.is_dir():
            raise UsageError(f"there is no folder '{Path(file).parent}'", at=file, fix="make it, or write somewhere else")


def _write(file: str, text: str, option: str) -> None:
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"'{file}' cannot be written: {error.strerror}", at=option, fix="write somewhere else") from error


def _say_where(told: dict[str, Any]) -> None:
    place, kernel = told["machine"], told["machine"]["kernel"]
    threads = f"{place['omp_threads']} thread{'s' if place['omp_threads'] != 1 else ''}"
    output.say(output.clean(place["card"] or f"{place['processor']}, {threads}"))
    which = " ".join(filter(None, [kernel["kind"], kernel["variant"]]))
    why = kernel["reason"] or kernel["compiler"]
    output.say(output.clean(f"{which} kernel" + (f" ({why})" if why else "") + f", torch {told['torch']}"))
    output.say()


def _rows(told: dict[str, Any]) -> Iterator[list[str]]:
    for row in told["rows"]:
        for name in [*row["contenders"], *row["not_run"]]:
            found = row["contenders"].get(name)
            ratios = [row["ratios"].get(f"{peer} / {name}") for peer in ("eager", "compiled", "copy")]
            yield [
                row["dtype"],
                f"{row['num_logits']}",
                name,
                _seconds(found["median"]) if found else "not run",
                _times(ratios[0]),
                _times(ratios[1]),
                f"{ratios[2]['median']:.0%}" if ratios[2] else "",
                f"{found['gigabytes_per_second']:.1f}" if found else "",
            ]


def _times(ratio: dict[str, float] | None) -> str:
    return f"{ratio['median']:.2f}x ({ratio['low']:.2f}–{ratio['high']:.2f})" if ratio else ""


def _seconds(seconds: float) -> str:
    """Three digits in the largest unit of which there is a whole one."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
    number = seconds / size
    return f"{number:.{max(0, 2 - len(str(int(number))) + 1)}f} {unit}"
