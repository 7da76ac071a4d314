"""`ganreg data`: look at data before training, and pack pictures so that they are read many times as fast."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganreg.cli import output
from ganreg.cli.data_path import reader_of
from ganreg.cli.group import Verbs
from ganreg.cli.paths import PathName, expanded
from ganreg.cli.session import session_of, with_shared_options
from ganreg.cli.words import Choice
from ganreg.errors import DataError, UsageError

if TYPE_CHECKING:
    from ganreg.data.doctor import Diagnosis

SHOWN = 10  # lines of a list; --json has all of it
EVERY_SECONDS = 5.0
PICTURES = ("image-folder", "image-zip")


def _workers(context: click.Context, option: click.Parameter, value: int | None) -> int:
    from ganreg.data.crew import cores

    return cores() if value is None else value


with_workers = click.option(
    "--workers", type=click.IntRange(0, 1024), callback=_workers, help="processes that decode  [one for each core]"
)
with_labels = click.option("--labels", metavar="FILE", help="a CSV or JSON file of labels beside the pictures")


@with_shared_options
@click.command()
@click.argument("path", type=PathName())
@click.option("--resolution", type=click.IntRange(8), help="at which it would be trained  [64; arrays as they are]")
@with_labels
@with_workers
@click.option("--bench", is_flag=True, help="also measure how many images a second a run's loader reads")
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs")
@click.pass_context
def check(
    context: click.Context, path: str, resolution: int | None, labels: str | None, workers: int, bench: bool, as_json: bool
) -> None:
    """Look at data before training: what is in it, what is bad, what would be done to it.

    PATH is a folder of pictures, or a file that --data takes.  Exits with 0 if it can be trained on, and says how, else with 4.
    """
    place = expanded(path)
    reader = reader_of(place, at="PATH")
    if reader in PICTURES:
        from ganreg.data.doctor import examine

        with progress("looking", quiet=as_json) as told:
            found = examine(place, reader, resolution=resolution or 64, labels=labels, processes=workers, told=told)
    else:
        from ganreg.data.samples import examine_samples

        if labels is not None:
            raise UsageError("labels of arrays are in their own file", at="--labels", fix="leave it out")
        with progress("reading", quiet=as_json) as told:
            data = _build(context, reader, place, {"resolution": resolution} if resolution else {})
            found = examine_samples(data, str(place), reader, resolution, told)
    found.path = path
    speed = _speed(context, place, reader, found, labels, workers) if bench and not found.why_not else None
    if as_json:
        output.say_json({**found.plain(), **({"images_per_second": round(speed)} if speed is not None else {})})
    else:
        _tell(found, speed, workers)
    if found.why_not:
        raise DataError(f"it cannot be trained on: {found.why_not}", at=path, fix="mend what is listed, or take it out")


@with_shared_options
@click.command()
@click.argument("path", type=PathName())
@click.argument("out", type=PathName(path_type=Path))
@click.option("--resolution", type=click.IntRange(8), default=64, show_default=True, help="height and width in pixels")
@click.option("--grey", is_flag=True, help="one channel and not three")
@click.option("--compress", is_flag=True, help="a smaller file that is slower to read")
@with_labels
@click.option("--on-bad", type=Choice(["stop", "skip"]), default="stop", show_default=True, help="skip: leave them out")
@click.option("--max-bad", type=click.IntRange(0), default=10, show_default=True, help="more bad pictures are an error")
@with_workers
@click.option("--force", is_flag=True, help="overwrite OUT")
def pack(
    path: str,
    out: Path,
    resolution: int,
    grey: bool,
    compress: bool,
    labels: str | None,
    on_bad: Any,
    max_bad: int,
    workers: int,
    force: bool,
) -> None:
    """Cut and resize every picture once, into one archive that is read many times as fast.

    PATH is a folder or a .zip of pictures, OUT a .zip file with dataset.json for the labels.  If it is stopped, the same
    command goes on where it was.
    """
    from ganreg.data.doctor import labels_of, open_files
    from ganreg.data.packing import Plan

    place = expanded(path)
    reader = reader_of(place, at="PATH")
    if reader not in PICTURES:
        raise UsageError(f"what '{reader}' reads is packed already", at=path, fix="give a folder or a .zip of pictures")
    if out.suffix.lower() != ".zip":
        raise UsageError(f"an archive ends in .zip, got '{out.name}'", at="OUT", fix=f"ganreg data pack {path} {out.name}.zip")
    files = open_files(place, reader)
    _, told = labels_of(files, list(files.sizes), labels)
    _pack(Plan(files, told, resolution, 1 if grey else 3, compress, on_bad, max_bad), out, workers, force)


def _pack(plan: Any, out: Path, workers: int, force: bool) -> None:
    from ganreg.data import doctor, fitting, packing

    with progress("packing") as tell:
        packed = packing.pack(plan, out, processes=workers, force=force, told=tell)
    went_on = f", {packed.found} of them by an earlier call" if packed.found else ""
    output.say(output.clean(f"{packed.images} pictures{went_on}, {_size(packed.bytes)}: {out}"))
    _list("left out", [f"{name}: {why}" for name, why in packed.left_out.items()])
    grey = ["--dataset.channels", "1"] if plan.channels == 1 else []
    size = fitting.fitted(plan.resolution, plan.resolution, plan.resolution)
    _list("note", [size.note] if size.note else [])
    command = doctor.training(os.fspath(out), packed.images, resolution=size.resolution, words=[*grey, *size.words])
    output.say(output.clean(f"next: {command}"))


def _build(context: click.Context, reader: str, path: Path, settings: dict[str, Any]) -> Any:
    from ganreg.settings import validate

    part = session_of(context).registry().part("dataset", reader, at="PATH")
    return part.build(validate(part.model, {"path": str(path), **settings}, owner=part.owner))


def _speed(context: click.Context, path: Path, reader: str, found: Diagnosis, labels: str | None, workers: int) -> float:
    from ganreg.data.samples import images_per_second

    settings: dict[str, Any] = {"resolution": found.resolution} if found.resolution else {}
    if reader in PICTURES:
        settings |= {"labels": labels} if labels is not None else {}
        settings |= {"on_bad": "skip", "max_bad": len(found.bad)} if found.bad else {}
    with output.hushed_warnings():  # of what the diagnosis tells already
        return images_per_second(_build(context, reader, path, settings), workers=workers)


def _tell(found: Diagnosis, speed: float | None, workers: int) -> None:
    """The table, the lists, the verdict."""
    rows = [("pictures", f"{found.images}, {_size(found.bytes)}")]
    rows += [("other files", _counts(found.others))] if found.others else []
    rows += [("can be read", f"{found.readable}" + (f", {len(found.bad)} cannot" if found.bad else ""))]
    rows += [("formats", _counts(found.formats))] if found.formats else []
    rows += [("modes", _counts(found.modes))] if found.modes else []
    if found.sizes:
        small, middle, large = (_sides(found.sizes[key]) for key in ("smallest", "median", "largest"))
        rows += [("sizes", f"{small} to {large}, median {middle}, {found.sizes['different']} different")]
    changed = ", ".join(f"{count} {what}" for what, count in found.changes.items() if count)
    rows += [(f"at {found.resolution} x {found.resolution}", changed or "read as they are")] if found.changes else []
    many = len(found.classes)
    rows += [("classes", f"{many} from {found.labels}: {_counts(found.classes)}" if many else "none")]
    same = sum(len(names) - 1 for names in found.duplicates)
    rows += [("duplicates", f"{same} exact {'copies of others' if same > 1 else 'copy of another'}" if same else "none")]
    rows += [("loader", f"{speed:,.0f} images/s with {workers} workers, each decoded anew")] if speed is not None else []
    output.table((found.dataset, found.path), rows)
    _list("bad", [f"{name}: {why}" for name, why in found.bad.items()])
    _list("the same", [" = ".join(names[:5]) + (" …" if len(names) > 5 else "") for names in found.duplicates])
    _list("note", found.notes)
    if not found.why_not:
        output.say(output.clean(f"it can be trained on; next: {found.command}"))


def _list(title: str, lines: list[str]) -> None:
    for line in lines[:SHOWN]:
        output.say(output.clean(f"{title}: {line}"))
    if len(lines) > SHOWN:
        output.say(f"{title}: and {len(lines) - SHOWN} more, all of them with --json")


def _counts(counts: dict[str, int]) -> str:
    shown = list(counts.items())[:SHOWN]
    return ", ".join(f"{name} {count}" for name, count in shown) + (", …" if len(counts) > SHOWN else "")


def _sides(size: Any) -> str:
    return f"{size[0]} x {size[1]}"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, a plain line every few seconds elsewhere; on stderr, since stdout is for what was found."""
    import sys
    import time

    last = time.monotonic()
    if not quiet and sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, of: bar.update(task, completed=done, total=of)
        return

    def told(done: int, of: int) -> None:
        nonlocal last
        if not quiet and time.monotonic() - last >= EVERY_SECONDS:
            last = time.monotonic()
            output.complain(f"{what} {done}/{of}")

    yield told


data = with_shared_options(
    Verbs(
        "data",
        help="Look at data before training, pack pictures.",
        verbs={
            "check": ("ganreg.cli.data:check", "Tell what is in data, what is bad, and how to train on it."),
            "pack": ("ganreg.cli.data:pack", "Cut and resize pictures once, into one archive."),
        },
    )
)
