"""`ganreg plugins check`: a plugin imported and checked in a process of its own, which may hang, crash or exit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, Queue
from typing import Any

import click

from ganreg.cli import output
from ganreg.cli.session import Session, complete_plugins, session_of, with_shared_options
from ganreg.cli.words import FiniteRange
from ganreg.errors import (
    ContractError,
    GanregError,
    NameConflictError,
    PluginError,
    SettingsError,
    UnknownNameError,
    UsageError,
)

LIMIT, MOST = 120.0, 1e6
"""Seconds for importing it, and for each check."""

ERRORS = {one.code: one for one in (UsageError, UnknownNameError, SettingsError, NameConflictError, ContractError)}
OUTCOMES = {"passed": "ok", "failed": "FAILED", "not_run": "not run"}


@with_shared_options
@click.command("check")
@click.argument("name", shell_complete=complete_plugins)
@click.option(
    "--timeout",
    type=FiniteRange(max=MOST),
    default=LIMIT,
    show_default=True,
    help="seconds for importing it, and for each check",
)
@click.option("--set", "sets", multiple=True, metavar="KIND-NAME.KEY=VALUE", help="a setting that has no default; repeats")
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs")
@click.pass_context
def check(context: click.Context, name: str, timeout: float, sets: tuple[str, ...], as_json: bool) -> None:
    """Run the conformance kit on all that a plugin offers.

    NAME is a plugin's name or its distribution's.  Exits with 3 when it does not load or a check fails, and shows its traceback
    where it was imported in vain.

    For example: ganreg plugins check ganreg-fancy-loss
    """
    if not timeout > 0:
        raise UsageError(f"--timeout must be greater than 0, got {timeout:g}", at="--timeout", fix="--timeout 120")
    session = session_of(context)
    asked = {"plugin": name, **_plugins_of(session), "settings": _settings(sets)}
    told = []
    for line in _run(asked, timeout):
        if "error" in line:
            raise _loading_failed(line)
        outcome = next(word for word in OUTCOMES if word in line)
        told.append({"check": line[outcome], "outcome": outcome, "why": line.get("why", "")})
        if not as_json:
            output.say(output.clean(f"{OUTCOMES[outcome]:8} {line[outcome]}"))
            for why in line.get("why", "").splitlines():
                output.say(output.clean(f"{'':8} {why}"))
    if as_json:
        output.say_json(told)
    _conclude(name, told)


def _conclude(name: str, told: list[dict[str, str]]) -> None:
    """The count, on stderr where something failed.  Raises ContractError."""
    failed = [one["check"] for one in told if one["outcome"] == "failed"]
    counts = {word: sum(one["outcome"] == word for one in told) for word in OUTCOMES}
    count = f"{counts['passed']} passed, {counts['failed']} failed, {counts['not_run']} not run"
    if failed:
        raise ContractError(f"{count}; failed: {', '.join(failed)}", at=name, fix="each says above what to change")
    output.complain(f"{name}: {count}")


def _plugins_of(session: Session) -> dict[str, list[str]]:
    return {"files": [str(file) for file in session.files], "blocked": session.blocked}


def _settings(sets: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """ "dataset-photos.path=./x" -> {"dataset-photos": {"path": "./x"}}.  Raises UsageError."""
    from ganreg import yamltext

    found: dict[str, dict[str, Any]] = {}
    for word in sets:
        place, equals, value = word.partition("=")
        part, dot, key = place.partition(".")
        if not (equals and dot and part and key):
            raise UsageError(
                f"expected KIND-NAME.KEY=VALUE, got '{word}'", at="--set", fix="--set dataset-photos.path=./photos"
            )
        found.setdefault(part, {})[key.replace("-", "_")] = yamltext.scalar(value)
    return found


def _loading_failed(line: dict[str, str]) -> GanregError:
    if line["trace"]:
        output.complain(line["trace"].rstrip())
    return ERRORS.get(line["error"], PluginError)(line["what"], at=line["at"], fix=line["fix"])


def _run(asked: dict[str, Any], timeout: float) -> Iterator[dict[str, Any]]:
    """What the process tells, but what it is doing.  Raises PluginError when it hangs or dies."""
    reading, writing = os.pipe()  # apart from stdout, where anything may be printed
    words = [sys.executable, "-P", "-m", "ganreg.testing", str(writing)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # it finds what we find, and no more
    child = subprocess.Popen(
        words, env=environment, stdin=subprocess.PIPE, stdout=2, pass_fds=(writing,), text=True, start_new_session=True
    )
    os.close(writing)
    lines: Queue[str] = Queue()
    threading.Thread(target=_read, args=(reading, lines), daemon=True).start()
    doing = "starting"
    try:
        with suppress(BrokenPipeError):
            print(json.dumps(asked), file=child.stdin, flush=True)  # left open: it ends when we do
        while said := _next(lines, timeout, child):
            line = json.loads(said)
            if "done" in line:
                return
            doing = line.get("doing", doing)
            if "doing" not in line:
                yield line
        with suppress(subprocess.TimeoutExpired):
            child.wait(1.0)  # a pipe ends a moment before its process
        raise _ended(asked["plugin"], child.poll(), _at(doing), timeout)
    finally:
        _kill(child)
        with suppress(BrokenPipeError):
            child.stdin.close()  # type: ignore[union-attr]


def _at(doing: str) -> str:
    return doing if " " in doing or doing == "starting" else f"it ran {doing}"


def _next(lines: Queue[str], timeout: float, child: subprocess.Popen[str]) -> str:
    """The next line; none where the process has died or the time is up.  What it has started may hold the pipe open."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        with suppress(Empty):
            return lines.get(timeout=0.1)
        if child.poll() is not None and lines.empty():
            break
    return ""


def _ended(plugin: str, status: int | None, doing: str, timeout: float) -> PluginError:
    if status is None:
        what = f"plugin {plugin} was not done within {timeout:g} s while {doing}; the process was killed"
        return PluginError(what, at=plugin, fix="let it do less, above all at import, or give it longer with --timeout")
    how = f"signal {-status}" if status < 0 else f"status {status}"
    what = f"the process that checked plugin {plugin} ended with {how} while {doing}"
    return PluginError(what, at=plugin, fix="see what it said above; a part must not end the process")


def _read(pipe: int, lines: Queue[str]) -> None:
    """Each line, then an empty one."""
    with os.fdopen(pipe, encoding="utf-8") as stream:
        for line in stream:
            lines.put(line)
    lines.put("")


def _kill(child: subprocess.Popen[str]) -> None:
    """It, and what it has started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()
    child.wait()
