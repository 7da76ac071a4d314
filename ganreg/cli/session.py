"""What every verb shares: which plugins this command line loads, and the registry that comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from ganreg.plugins import Plugin
    from ganreg.registry import Registry


@dataclass
class Session:
    """One command line's plugins; loaded when something first asks for a part."""

    files: list[Path] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    running: Plugin | None = None  # whose verb this is, where it is not ours
    _registry: Registry | None = field(default=None, repr=False)

    def registry(self) -> Registry:
        """The registry, which becomes that of the process.  Raises UsageError, PluginError for a file that was asked for."""
        if self._registry is None:
            from ganreg import registry

            self._registry = registry.configure(files=self.files, blocked=self.blocked)
        return self._registry

    def plugins(self) -> list[Plugin]:
        """Those that were loaded; none where nothing has asked for a part yet."""
        return self._registry.plugins.plugins if self._registry is not None else []

    def use(self, *, files: tuple[str, ...] = (), blocked: tuple[str, ...] = ()) -> None:
        """Load these files, too, and leave these plugins out."""
        more_files = [Path(file) for file in files if Path(file) not in self.files]
        more_blocked = [name for name in blocked if name not in self.blocked]
        if more_files or more_blocked:
            self.files += more_files
            self.blocked += more_blocked
            self._registry = None


def session_of(context: click.Context) -> Session:
    """The session of a context or of its parents."""
    return context.ensure_object(Session)


def complete_plugins(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of plugins that begin so; nothing while they are at odds."""
    from ganreg.errors import GanregError

    try:
        found = session_of(context).registry().plugins.plugins
    except GanregError:
        return []
    return sorted({plugin.name for plugin in found if plugin.name.startswith(incomplete)})


C = TypeVar("C", bound=click.Command)


def with_shared_options(command: C) -> C:
    """Give a verb the options that every verb takes."""
    command.params += shared_options()
    return command


def shared_options() -> list[click.Option]:
    """--plugin, --no-plugin, --debug."""
    return [
        click.Option(
            ["--plugin"],
            multiple=True,
            metavar="FILE.py",
            help="load a single file as a plugin; repeats",
            callback=lambda context, _, value: session_of(context).use(files=value),
            expose_value=False,
            is_eager=True,  # before --help, which lists the verbs of plugins
        ),
        click.Option(
            ["--no-plugin"],
            multiple=True,
            metavar="NAME",
            help="leave a plugin out; repeats",
            shell_complete=complete_plugins,
            callback=lambda context, _, value: session_of(context).use(blocked=value),
            expose_value=False,
            is_eager=True,
        ),
        click.Option(["--debug"], is_flag=True, help="show tracebacks", expose_value=False),
    ]
