"""`ganreg list`: every part by kind and name, and who brought it; no part is imported.

Not `list.py`: importing it would hide the built-in `list` in this package.
"""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from ganreg.cli import output
from ganreg.cli.session import session_of, with_shared_options
from ganreg.contracts import PLURALS
from ganreg.registry import as_kind

HEADINGS = ("kind", "name", "origin", "summary")
RECIPES = ("recipe", "recipes")


def complete_kind(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The kinds as headings have them, and recipes."""
    return [CompletionItem(word) for word in (*PLURALS.values(), "recipes") if word.startswith(incomplete)]


@with_shared_options
@click.command("list")
@click.argument("kind", required=False, shell_complete=complete_kind)
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs")
@click.pass_context
def list_parts(context: click.Context, kind: str | None, as_json: bool) -> None:
    """List the parts of every kind, and the recipes.

    KIND is one of generators, discriminators, losses, … or recipes; the singular will do.
    """
    registry = session_of(context).registry()
    found: list[tuple[str, str, str, str]] = []
    if kind not in RECIPES:
        parts = registry.components(as_kind(kind) if kind else None)
        found += [(one.record.kind, one.record.name, one.plugin.origin, one.record.summary) for one in parts]
    if kind is None or kind in RECIPES:
        recipes = registry.recipes()
        found += [("recipe", one.record.name, one.plugin.origin, one.record.summary) for one in recipes]
    if as_json:
        output.say_json([dict(zip(HEADINGS, row, strict=True)) for row in found])
    elif found:
        output.table(HEADINGS, found)
    else:
        output.complain(f"there are no {PLURALS[as_kind(kind)] if kind and kind not in RECIPES else 'parts'} here")
