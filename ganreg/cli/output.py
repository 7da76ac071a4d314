"""What reaches the terminal: plain lines on stdout, complaints on stderr, and nothing that can break either."""

from __future__ import annotations

import os
import select
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

from ganreg.plugins import PluginWarning

PACKAGE = str(Path(__file__).parents[1])


@contextmanager
def prepared() -> Iterator[None]:
    """Streams that take any text, warnings as one line; as before afterwards."""
    if sys.stdout is None:  # closed before we started; else the next file that is opened would become stdout
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a C locale shows "?" where it has no letter
    with warnings.catch_warnings():
        if any(action == "error" for action, *_ in warnings.filters):
            warnings.simplefilter("default", PluginWarning)  # -W error is about code, not about what is installed
        default = warnings.showwarning
        warnings.showwarning = lambda message, category, filename, *rest: (
            complain(f"warning: {message}")
            if issubclass(category, PluginWarning) or (category is UserWarning and filename.startswith(PACKAGE))
            else default(message, category, filename, *rest)
        )
        yield
        _flush()


def say(text: str = "") -> None:
    """A line on stdout; once its reader has gone, nothing."""
    try:
        print(text, flush=True)
    except (OSError, ValueError):  # a pipe or a terminal that is closed
        hush()


def complain(text: str) -> None:
    """Lines on stderr, control characters shown and not sent; once its reader has gone, nothing."""
    shown = "".join(char if char.isprintable() or char == "\n" else _escaped(char) for char in text)
    try:
        print(shown, file=sys.stderr, flush=True)
    except (OSError, ValueError):  # closed, by a plugin perhaps
        hush("stderr")


@contextmanager
def hushed_warnings() -> Iterator[None]:
    """Where what they would say is told already."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def hush(stream: Literal["stdout", "stderr"] = "stdout") -> None:
    """Send what is still to come on a stream nowhere, so that Python's last flush does not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, getattr(sys, stream).fileno())
    except (AttributeError, OSError, ValueError):  # no real one, as under a test
        setattr(sys, stream, open(os.devnull, "w"))  # noqa: SIM115, PTH123
    os.close(nowhere)


def reader_is_gone() -> bool:
    """Whether nobody reads our stdout any more, a pipe."""
    try:
        poll = select.poll()
        poll.register(sys.stdout, 0)
        return bool(poll.poll(0))
    except (AttributeError, OSError, ValueError):  # no such call, or no real stream
        return False


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table: rich's on a terminal, else aligned text that grep and awk can read."""
    shown = [[clean(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(headings, shown)
        return
    widths = [max(map(len, column)) for column in zip(headings, *shown, strict=True)]
    for row in [list(headings), *shown]:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def say_json(values: Any) -> None:
    """JSON, for programs."""
    import json

    say(json.dumps(values, indent=2, ensure_ascii=False))


def clean(text: str) -> str:
    """One line, control characters shown."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _rich_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(*headings, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    Console().print(grid)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _flush() -> None:
    streams: tuple[Literal["stdout", "stderr"], ...] = ("stdout", "stderr")
    for name in streams:
        try:
            _flushed(getattr(sys, name))
        except (AttributeError, OSError, ValueError):  # none, gone, closed
            hush(name)


def _flushed(stream: IO[str]) -> None:
    stream.flush()
