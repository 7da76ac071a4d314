"""`ganreg plugins`: what is installed and how loading it went; whether a plugin keeps its promises; a new one to start from."""

from __future__ import annotations

from collections import Counter
from typing import cast

import click

from ganreg.cli import output
from ganreg.cli.group import Verbs, verbs_of_plugins
from ganreg.cli.session import session_of, with_shared_options
from ganreg.contracts import PLURALS, Component
from ganreg.plugins import Offer

FACTS = ("name", "distribution", "version", "status", "reason", "file")
HEADINGS = ("name", "distribution", "version", "status", "components", "hooks", "file", "reason")
PREFIX = "ganreg_"


@with_shared_options
@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs: with the name of every component")
@click.pass_context
def list_plugins(context: click.Context, as_json: bool) -> None:
    """List every plugin: ok, blocked, broken or incompatible, and why."""
    registry = session_of(context).registry()
    taken = cast("Verbs", context.find_root().command).verbs
    verbs = verbs_of_plugins(registry, taken)  # before the list: a hook that fails belongs in it
    found = registry.plugins.plugins
    offers = registry.components()
    offered = [[offer for offer in offers if offer.plugin is plugin] for plugin in found]
    added = [[name for name, verb in verbs.items() if verb.plugin is plugin] for plugin in found]
    if as_json:
        output.say_json(
            [
                {
                    **{fact: getattr(plugin, fact) for fact in FACTS},
                    "source": plugin.source,
                    "hooks": list(plugin.hooks),
                    "components": [f"{offer.record.kind} {offer.record.name}" for offer in its],
                    "commands": own,
                }
                for plugin, its, own in zip(found, offered, added, strict=True)
            ]
        )
        return
    rows = []
    for plugin, its, own in zip(found, offered, added, strict=True):
        hooks = ", ".join(hook.removeprefix(PREFIX) for hook in plugin.hooks)
        told = {fact: getattr(plugin, fact) for fact in FACTS} | {"hooks": hooks}
        told["components"] = ", ".join(filter(None, [_counted(its), f"ganreg {', '.join(own)}" if own else ""]))
        rows.append([told[heading] for heading in HEADINGS])
    output.table(HEADINGS, rows)


def _counted(offers: list[Offer[Component]]) -> str:
    """ "2 losses, 1 dataset"; the names are in `ganreg list`."""
    counts = Counter(offer.record.kind for offer in offers)
    return ", ".join(f"{count} {PLURALS[kind] if count > 1 else kind}" for kind, count in counts.items())


plugins = with_shared_options(
    Verbs(
        "plugins",
        help="Look at the installed plugins, check one, start one.",
        verbs={
            "list": ("ganreg.cli.plugins:list_plugins", "List every plugin: ok, blocked, broken or incompatible, and why."),
            "check": ("ganreg.cli.plugins_check:check", "Run the conformance kit on a plugin, in a process of its own."),
            "new": (
                "ganreg.cli.plugins_new:new",
                "Write a package to start from, which installs, passes its tests and trains.",
            ),
        },
    )
)
