"""`ganreg doctor`: what a run would depend on here, and why the kernel that runs is the one that does."""

from __future__ import annotations

from typing import Any

import click

from ganreg.cli import output
from ganreg.cli.session import session_of, with_shared_options


@with_shared_options
@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Tell versions, devices, plugins and which kernel runs.

    Compiles the kernel if there is none yet, and gives the compiler's own words where that fails.
    """
    registry = session_of(context).registry()
    from ganreg.assembly.environment import environment

    found = environment(registry)
    if as_json:
        output.say_json(found)
        return
    for name in ("ganreg", "python", "platform", "processor", "cores", "threads", "cuda"):
        _line(name, found[name] if found[name] is not None else "none")
    _line("devices", ", ".join(found["devices"]))
    _line("packages", ", ".join(f"{name} {version}" for name, version in found["packages"].items()))
    _tell_kernel("kernel", found["kernel"])
    if found["cuda_kernel"]:
        _tell_kernel("on cuda", found["cuda_kernel"])
    output.say()
    headings = ("plugin", "distribution", "version", "status", "reason")
    keys = ("name", *headings[1:])
    output.table(headings, [[plugin[key] for key in keys] for plugin in found["plugins"]])


def _tell_kernel(what: str, kernel: dict[str, Any]) -> None:
    _line(what, kernel["kind"])
    for name in ("variant", "reason", "path", "compiler", "log"):
        if kernel.get(name):
            _line(f"  {name}", kernel[name])
    for line in (kernel.get("last_lines") or "").splitlines():
        output.say(output.clean(f"    {line}"))


def _line(name: str, value: object) -> None:
    output.say(output.clean(f"{name:10} {value}"))
