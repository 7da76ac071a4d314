"""Optional packages, imported where they are used; one that is missing is told with the extra that brings it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ganreg.errors import MissingExtraError


def imported(module: str, *, extra: str, at: str) -> ModuleType:
    """A package of one of ganreg's extras.  Raises MissingExtraError."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{at} needs {error.name or module}, which is not installed", at=at, fix=f"pip install 'ganreg[{extra}]'"
        ) from error
