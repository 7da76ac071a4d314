"""Libraries that some parts need and the core does not: imported when they are used, named by the extra that brings them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from ganreg.errors import MissingExtraError

INSTALL = "pip install 'ganreg["
"""How the remedy of a missing extra begins."""


def need(module: str, extra: str, *, of: str) -> None:
    """See that a library is installed, without importing it.  Raises MissingExtraError, which names the extra."""
    if find_spec(module) is None:
        raise _missing(module, extra, of)


def imported(module: str, *, extra: str, at: str) -> ModuleType:
    """A library of one of ganreg's extras.  Raises MissingExtraError, also where one that it needs is missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise _missing(error.name or module, extra, at) from error


def _missing(module: str, extra: str, of: str) -> MissingExtraError:
    return MissingExtraError(f"{of} needs {module}, which is not installed", at=of, fix=f"{INSTALL}{extra}]'")
