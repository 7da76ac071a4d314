"""Paths that were typed: a word that no file can be named is refused like any other wrong word."""

from __future__ import annotations

import os
from errno import ENAMETOOLONG
from pathlib import Path
from typing import Any

import click

from ganreg.errors import UsageError


class PathName(click.Path):
    """A path, there or not, that the system can take."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click does, which looks at the path itself.  Fails for a nul in it, or a name that is too long."""
        try:
            os.lstat(value)
        except ValueError as error:
            self.fail(f"no file can be named {_short(os.fspath(value))}: {error}", param, ctx)
        except OSError as error:
            if error.errno == ENAMETOOLONG:
                self.fail(f"no file can be named {_short(os.fspath(value))}: {error.strerror}", param, ctx)
        return super().convert(value, param, ctx)


class NewPath(click.Path):
    """A path to be made, taken as it is: `rundir.check` looks at it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Nothing is looked at here."""
        return value


def expanded(word: str) -> Path:
    """With ~ as the home folder.  Raises UsageError for the home of nobody."""
    try:
        return Path(word).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"there is no home folder of {word.split('/', 1)[0]!r}", at=word, fix="write the whole path"
        ) from error


def _short(word: str) -> str:
    """A name of a hundred pages says no more than its beginning."""
    return repr(word if len(word) <= 60 else word[:60] + "…")
