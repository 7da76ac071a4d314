"""`ganreg show`: one part, where it comes from, and every setting it takes."""

from __future__ import annotations

from dataclasses import asdict

import click
from click.shell_completion import CompletionItem

from ganreg import settings, yamltext
from ganreg.cli import option_cache, output
from ganreg.cli.list_parts import RECIPES, complete_kind
from ganreg.cli.options import complete_names, complete_recipes, flag_of
from ganreg.cli.session import session_of, with_shared_options
from ganreg.contracts import PLURALS, Recipe
from ganreg.errors import UsageError
from ganreg.registry import Registry, as_kind


def complete_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the kind that stands before."""
    kind = ctx.params.get("kind") or ""
    if kind in RECIPES:
        return complete_recipes(ctx, incomplete)
    try:
        return complete_names(ctx, as_kind(kind), incomplete)
    except UsageError:
        return []


@with_shared_options
@click.command()
@click.argument("kind", shell_complete=complete_kind)
@click.argument("name", required=False, shell_complete=complete_name)
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs")
@click.pass_context
def show(context: click.Context, kind: str, name: str | None, as_json: bool) -> None:
    """Show one part and its settings, or a recipe.

    For example: ganreg show generator dcgan
    """
    registry = session_of(context).registry()
    if name is None:
        which = "recipe" if kind in RECIPES else as_kind(kind)
        many = "recipes" if kind in RECIPES else PLURALS[as_kind(kind)]
        raise UsageError(f"which {which}? its name is missing", at="NAME", fix=f"ganreg list {many}")
    if kind in RECIPES:
        _show_recipe(registry.recipe(name), as_json=as_json)
    else:
        _show_part(registry, kind, name, as_json=as_json)


def _show_recipe(recipe: Recipe, *, as_json: bool) -> None:
    """Its file, as it is; a program gets the values."""
    document = yamltext.read(recipe.path)
    if as_json:
        told = {"name": recipe.name, "summary": recipe.summary, "paper": paper_url(recipe.paper), "path": str(recipe.path)}
        output.say_json({**told, "values": document.values})
    else:
        output.say(recipe.path.read_text(encoding="utf-8-sig").rstrip("\n"))


def _show_part(registry: Registry, kind: str, name: str, *, as_json: bool) -> None:
    part = registry.part(as_kind(kind), name, at="NAME")
    record = part.component
    described = settings.describe(part.model)
    option_cache.remember(record, described)
    told = {
        "kind": record.kind,
        "name": record.name,
        "summary": record.summary,
        "paper": paper_url(record.paper),
        "origin": part.origin,
        "factory": record.factory,
        "requires": list(record.requires),
    }
    if as_json:
        output.say_json({**told, "settings": [asdict(one) for one in described]})
        return
    output.say(output.clean(f"{record.kind} {record.name}: {record.summary}"))
    rows = {"paper": told["paper"], "origin": part.origin, "factory": record.factory, "needs": ", ".join(record.requires)}
    for label, value in rows.items():
        if value:
            output.say(output.clean(f"{label:8} {value}"))
    if described:
        output.say()
        output.table(
            ("option", "type", "default", "help"),
            [
                (flag_of((record.kind, one.name)), one.type, "required" if one.required else one.default, one.help)
                for one in described
            ],
        )


def paper_url(paper: str) -> str:
    """An arXiv number -> its address; an address stays."""
    return paper if not paper or "://" in paper else f"https://arxiv.org/abs/{paper}"
