"""Libraries that some parts need and the core does not: imported when they are used, named by the extra that brings them."""

from __future__ import annotations

from importlib.util import find_spec

from ganreg.errors import UsageError


def need(module: str, extra: str, *, of: str) -> None:
    """See that a library is installed, without importing it.  Raises UsageError, which names the extra."""
    if find_spec(module) is None:
        raise UsageError(f"{of} needs {module}, which is not installed", at=of, fix=f"pip install 'ganreg[{extra}]'")
