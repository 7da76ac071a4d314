"""`ganreg plugins`: what is installed, and how loading it went."""

from __future__ import annotations

import click

from ganreg.cli import output
from ganreg.cli.group import Verbs
from ganreg.cli.session import session_of, with_shared_options

HEADINGS = ("name", "distribution", "version", "status", "reason")


@with_shared_options
@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs")
@click.pass_context
def list_plugins(context: click.Context, as_json: bool) -> None:
    """List every plugin: ok, blocked, broken or incompatible, and why."""
    registry = session_of(context).registry()
    registry.plugins.answers("ganreg_commands", click.Command)  # a hook that fails belongs in the list
    offered: dict[str, list[str]] = {}
    for offer in registry.components():
        offered.setdefault(offer.plugin.name, []).append(f"{offer.record.kind} {offer.record.name}")
    if as_json:
        output.say_json(
            [
                {
                    **{heading: getattr(plugin, heading) for heading in HEADINGS},
                    "source": plugin.source,
                    "hooks": list(plugin.hooks),
                    "components": offered.get(plugin.name, []),
                }
                for plugin in registry.plugins.plugins
            ]
        )
    else:
        output.table(HEADINGS, [[getattr(one, heading) for heading in HEADINGS] for one in registry.plugins.plugins])


plugins = with_shared_options(
    Verbs(
        "plugins",
        help="Look at the installed plugins.",
        verbs={"list": ("ganreg.cli.plugins:list_plugins", "List every plugin: ok, blocked, broken or incompatible, and why.")},
    )
)
