"""The group of verbs: ours from a table, each imported when it is used; a plugin's after them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import click
from click.shell_completion import CompletionItem

from ganreg.cli.session import session_of
from ganreg.errors import UsageError, did_you_mean
from ganreg.plugins import Offer, PluginWarning, failure

if TYPE_CHECKING:
    from ganreg.registry import Registry


class Verbs(click.Group):
    """Commands by "module:attribute" and a line of help; at the top, also those of the hook `ganreg_commands`."""

    def __init__(self, *args: Any, verbs: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Ours in the table's order, then the plugins'."""
        return [*self.verbs, *self._offers(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one of ours; ask the plugins only for a verb that is none of ours."""
        if cmd_name in self.verbs:
            module, _, attribute = self.verbs[cmd_name][0].partition(":")
            return cast("click.Command", getattr(import_module(module), attribute))
        offer = self._offers(ctx).get(cmd_name)
        if offer is None:
            return None
        session_of(ctx).running = offer.plugin
        return offer.record

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest verb in an error."""
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            known = self.list_commands(ctx)
            broken = session_of(ctx).registry().plugins.broken if ctx.parent is None else []
            if broken and not did_you_mean(args[0], known):
                raise failure(broken[0])
            raise UsageError(
                f"there is no command '{args[0]}'.{did_you_mean(args[0], known)} Known: {', '.join(known)}",
                at=ctx.command_path,
                fix=f"{ctx.command_path} --help",
            )
        return args[0] if command is not None else None, command, args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, importing neither what it names nor a plugin that was not asked for: one may hang."""
        own = [(name, summary) for name, (_, summary) in self.verbs.items()]
        with formatter.section("Commands"):
            formatter.write_dl(self._rows(ctx) if session_of(ctx).files else own)
        if ctx.parent is None:
            with formatter.section("More commands"):
                formatter.write_text("Installed plugins may add some: ganreg plugins list names them.")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The table again, and this group's own options."""
        rows = [CompletionItem(name, help=told) for name, told in self._rows(ctx) if name.startswith(incomplete)]
        return rows + click.Command.shell_complete(self, ctx, incomplete)

    def _rows(self, ctx: click.Context) -> list[tuple[str, str]]:
        rows = [(name, summary) for name, (_, summary) in self.verbs.items()]
        return rows + [(name, offer.record.get_short_help_str(80)) for name, offer in self._offers(ctx).items()]

    def _offers(self, ctx: click.Context) -> dict[str, Offer[click.Command]]:
        return verbs_of_plugins(session_of(ctx).registry(), self.verbs) if ctx.parent is None else {}


def verbs_of_plugins(registry: Registry, taken: Collection[str]) -> dict[str, Offer[click.Command]]:
    """What plugins add to our verbs, by name; one without a name of its own is told and left out."""
    found: dict[str, Offer[click.Command]] = {}
    for offer in registry.plugins.answers("ganreg_commands", click.Command):
        name = offer.record.name
        has_name = isinstance(name, str) and re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name)
        if name and has_name and name not in taken and name not in found:
            found[name] = offer
            continue
        which, why = (f"the command '{name}'", "there is one already") if has_name else ("a command", "it has no name to type")
        warnings.warn(f"{which} of plugin {offer.plugin.named} is left out: {why}", PluginWarning, stacklevel=2)
    return dict(sorted(found.items()))
