"""What a run was warned of, kept beside it: the watchdog's words, a rollback, a plugin that was dropped.

RUN/words.jsonl    {"step": 400, "at": "2026-11-26T09:00:00+00:00", "told": "D has won since step 300: …"}
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ganreg.errors import printable
from ganreg.plugins import PluginWarning

OURS = str(Path(__file__).parents[1])
"""Where a warning comes from that a run's reader should see; torch's own are for programmers."""


@contextmanager
def kept(path: Path, step: Callable[[], int]) -> Iterator[None]:
    """While the body runs, append each warning of ganreg or of a plugin to this file; whoever showed it before still does.

    A file that cannot be written ends no run: the words were shown.
    """
    before: Any = warnings.showwarning

    def show(message: Any, category: type[Warning], filename: str, *rest: Any) -> None:
        if issubclass(category, PluginWarning) or (category is UserWarning and filename.startswith(OURS)):
            row = {"step": step(), "at": datetime.now(UTC).isoformat(timespec="seconds"), "told": printable(str(message))}
            with suppress(OSError), path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        before(message, category, filename, *rest)

    warnings.showwarning = show  # type: ignore[assignment]  # the rest is passed on as it is
    try:
        yield
    finally:
        if warnings.showwarning is show:
            warnings.showwarning = before
