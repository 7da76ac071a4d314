"""`python -m ganreg.testing`: the kit in a process of its own, for `ganreg plugins check`.

Reads a line of JSON from stdin: plugin, files, blocked, settings; where stdin ends, whoever asked has gone, and so do we.
Writes a line of JSON for each thing that happens into the pipe whose number is the first argument: `doing` before it; `passed`,
`failed` or `not_run` with `why` after it; `error` where the plugin does not load; `done` at the end, unless we have died.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

from ganreg.errors import GanregError

if TYPE_CHECKING:
    from ganreg.plugins import Plugin
    from ganreg.testing import Check


def main() -> int:
    """Check one plugin -> exit status: 0 once everything has been told."""
    asked = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_asker, daemon=True).start()
    lines = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8")

    def tell(**line: Any) -> None:
        print(json.dumps(line), file=lines, flush=True)

    warnings.simplefilter("ignore")
    broken: list[Plugin] = []
    try:
        tell(doing="importing it")
        from ganreg import registry

        broken += registry.configure(files=[Path(file) for file in asked["files"]], blocked=asked["blocked"]).plugins.broken
        tell(doing="importing its parts")
        from ganreg.testing import checks_of_plugin

        for check in checks_of_plugin(asked["plugin"], asked["settings"]):
            tell(doing=check.name)
            tell(**_outcome(check))
    except GanregError as error:
        raised = next((one.error for one in broken if asked["plugin"] in (one.name, one.distribution)), error.__cause__)
        trace = "".join(traceback.format_exception(raised)) if raised is not None else ""
        tell(error=error.code, what=error.what, at=error.at, fix=error.fix, trace=trace)
    tell(done=True)
    return 0


def _end_with_the_asker() -> None:
    sys.stdin.read()
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _outcome(check: Check) -> dict[str, str]:
    try:
        check()
    except SkipTest as skipped:
        return {"not_run": check.name, "why": str(skipped)}
    except BaseException as error:
        return {"failed": check.name, "why": _told(error)}
    return {"passed": check.name}


def _told(error: BaseException) -> str:
    """An expectation in its own words, anything else with its kind."""
    what = str(error).strip()
    return what if isinstance(error, AssertionError) and what else f"{type(error).__name__}: {what}"


if __name__ == "__main__":
    sys.exit(main())
