"""Finds plugins and keeps them apart: each is imported alone, and one that fails harms no other.

Entry points of the group `ganreg`, in the order of their names, through pluggy.  pluggy's own entry-point loader stops at the
first broken plugin, and which others were loaded by then is a matter of disk order; this one records the failure, tells it in
one line, and goes on.  A failure matters only when something of that plugin is asked for.

Switches: GANREG_PLUGINS=off (built-in parts only) or =a,b (only these), GANREG_RAISE_PLUGIN_ERRORS=1 (for authors: a
failure is raised where it happens), `--plugin FILE.py`, `--no-plugin NAME`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, distributions, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar

import pluggy

from ganreg import hookspecs
from ganreg.ambient import unchanged
from ganreg.contracts import GANREG_API, OLDEST_API
from ganreg.errors import PluginError, UsageError, did_you_mean, in_one_line, printable, reason_of

GROUP = "ganreg"
BUILTIN = EntryPoint("builtin", "ganreg.components.builtin", GROUP)

MOST_RECORDS = 10_000
"""Of one hook of one plugin: more are taken for a hook that never ends."""

FILE_PREFIX = "ganreg_plugin_"
"""Of the module that a single file becomes."""

SLOW_SECONDS = 5.0
"""Of an import, after which its plugin is named."""

T = TypeVar("T")


class PluginWarning(UserWarning):
    """A plugin that could not be used; training goes on without it."""


@dataclass(slots=True)
class Plugin:
    """One plugin: who brought it, and how loading went."""

    name: str
    distribution: str
    version: str
    source: str
    status: Literal["ok", "blocked", "broken", "incompatible"] = "ok"
    reason: str = ""
    error: BaseException | None = None
    hooks: tuple[str, ...] = ()
    file: str = ""  # of the module that was imported
    sha256: str = ""  # of a single file

    @property
    def origin(self) -> str:
        """ "ganreg-foo 1.2"."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def named(self) -> str:
        """ "ganreg-foo 1.2 (foo)": also its entry point, so that it can be found and left out."""
        return self.origin if self.sha256 else f"{self.origin} ({self.name})"

    def changed(self, what: str, doing: str = "importing") -> None:
        """Warn that importing it, or asking it for something, changed what is everybody's."""
        when = "it was imported" if doing == "importing" else "it was asked"
        warnings.warn(printable(f"plugin {self.named} changed {what} when {when}; put back"), PluginWarning, stacklevel=2)


@dataclass(frozen=True, slots=True)
class Offer(Generic[T]):
    """Something a plugin offers: a component, a recipe, a command."""

    record: T
    plugin: Plugin


@dataclass
class Plugins:
    """The loaded plugins, and what their hooks answer."""

    manager: pluggy.PluginManager
    plugins: list[Plugin] = field(default_factory=list)

    def answers(self, hook: str, expected: type[T], **arguments: Any) -> list[Offer[T]]:
        """Call a hook of each plugin by itself and drain it: one that raises hides no other."""
        answers: list[Offer[T]] = []
        for plugin in self.plugins:
            if plugin.status != "ok" or hook not in plugin.hooks:
                continue
            module = self.manager.get_plugin(plugin.name)
            others = [other for other in self.manager.get_plugins() if other is not module]
            call = self.manager.subset_hook_caller(hook, others)
            own: list[Offer[T]] = []
            try:
                with guarded(plugin, f"asking for its {hook}"):
                    for record in (item for answer in call(**arguments) for item in answer or ()):
                        if not isinstance(record, expected):
                            raise TypeError(f"{hook} must yield {expected.__name__}, got {type(record).__name__}")
                        if len(own) == MOST_RECORDS:
                            raise ValueError(f"{hook} yields more than {MOST_RECORDS:,} records")
                        own.append(Offer(record, plugin))
            except KeyboardInterrupt:
                raise KeyboardInterrupt(f"interrupted while asking plugin {plugin.named} for its {hook}") from None
            except BaseException as error:
                self._fail(plugin, "broken", error)
                continue
            answers += own
        return answers

    @property
    def broken(self) -> list[Plugin]:
        """Plugins that could not be used, other than those the user left out."""
        return [plugin for plugin in self.plugins if plugin.status in ("broken", "incompatible")]

    def _fail(self, plugin: Plugin, status: Literal["broken", "incompatible"], error: BaseException) -> None:
        plugin.status = status
        plugin.error = error
        plugin.reason = reason_of(error)
        same_name = [other for other in self.plugins if other.name == plugin.name]
        if same_name[0] is plugin and self.manager.has_plugin(plugin.name):
            self.manager.unregister(name=plugin.name)
        if os.environ.get("GANREG_RAISE_PLUGIN_ERRORS") == "1":
            raise failure(plugin) from error
        told = f"plugin {plugin.named} is left out: {plugin.reason}"
        warnings.warn(printable(told), PluginWarning, stacklevel=2)


def load(*, files: Sequence[Path] = (), blocked: Iterable[str] = ()) -> Plugins:
    """The built-in parts, every installed plugin that may be loaded, and single files.

    Raises UsageError for a file that is not there, PluginError for a file that fails, since it was asked for.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    loaded = Plugins(manager)
    left_out = {normal(name): name for name in blocked}
    for entry, (distribution, version) in _entry_points():
        plugin = Plugin(entry.name, distribution, version, entry.value)
        loaded.plugins.append(plugin)
        if {normal(entry.name), normal(distribution)} & left_out.keys() or not _allowed(entry, distribution):
            plugin.status, plugin.reason = "blocked", "left out by --no-plugin or GANREG_PLUGINS"
        else:
            _register(loaded, plugin, lambda entry=entry: _loaded(entry))  # type: ignore[misc]
    of_files = [file.stem for file in files]
    _tell_unknown(loaded.plugins, of_files, {"--no-plugin": left_out, "GANREG_PLUGINS": _switched()})
    for file in files:
        importer = _importer(file)
        plugin = Plugin(file.stem, str(file), "", str(file), sha256=hashlib.sha256(file.read_bytes()).hexdigest())
        loaded.plugins.append(plugin)
        _register(loaded, plugin, importer)
        if plugin.status != "ok":
            raise failure(plugin) from plugin.error
    return loaded


def failure(plugin: Plugin) -> PluginError:
    """The error for something that was asked of a plugin that failed."""
    return PluginError(
        f"plugin {plugin.named} failed to load: {plugin.reason}",
        at=plugin.source,
        fix="update or uninstall it, or leave it out with GANREG_PLUGINS; ganreg plugins list shows all",
    )


def blamed(error: BaseException, plugins: Sequence[Plugin]) -> tuple[Plugin, str] | None:
    """Whose code raised, or was on the way there, and the line: the innermost of a plugin; None where all of it is ours."""
    packages = {_package(plugin): plugin for plugin in plugins if plugin.name != BUILTIN.name}
    found = None
    trace = error.__traceback__
    while trace is not None:
        plugin = packages.get(str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0])
        if plugin is not None:
            found = plugin, f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _package(plugin: Plugin) -> str:
    """The first name of its modules."""
    return f"{FILE_PREFIX}{plugin.name}" if plugin.sha256 else plugin.source.partition(":")[0].partition(".")[0]


def _entry_points() -> Iterator[tuple[EntryPoint, tuple[str, str]]]:
    """Each with its distribution and version: ours, then the others by name."""
    from ganreg import __version__

    yield BUILTIN, ("ganreg", __version__)
    try:
        found = list(entry_points(group=GROUP))
    except Exception:  # one file of one distribution, which need not be a plugin's, is malformed
        found = list(_readable_entry_points())
    yield from sorted(((entry, _distribution(entry)) for entry in found), key=lambda pair: (pair[0].name, pair[1]))


def _readable_entry_points() -> Iterator[EntryPoint]:
    """Those of every distribution that can be read; the others are told."""
    for one in distributions():
        try:
            yield from one.entry_points.select(group=GROUP)
        except Exception as error:
            told = f"the entry points of a distribution cannot be read ({getattr(one, '_path', one)}): {reason_of(error)}"
            warnings.warn(printable(told), PluginWarning, stacklevel=2)


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    try:
        told = (entry.dist.name, entry.dist.version) if entry.dist else (None, None)
    except Exception:  # no METADATA
        told = (None, None)
    return told[0] or "unknown", told[1] or ""


def _loaded(entry: EntryPoint) -> ModuleType:
    if not EntryPoint.pattern.match(entry.value):
        raise ImportError(f"the entry point is not 'module' or 'module:attribute', it is '{entry.value}'")
    module: ModuleType = entry.load()
    return module


def normal(name: str) -> str:
    """As package indexes compare names: Foo_Bar is foo-bar."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _switched() -> dict[str, str]:
    """The names in GANREG_PLUGINS as compared, and as given."""
    names = [name.strip() for name in os.environ.get("GANREG_PLUGINS", "").split(",")]
    return {normal(name): name for name in names if name}


def _allowed(entry: EntryPoint, distribution: str) -> bool:
    names = _switched().keys()
    if not names or entry is BUILTIN:
        return True
    return "off" not in names and bool(names & {normal(entry.name), normal(distribution)})


def _tell_unknown(plugins: Sequence[Plugin], files: Sequence[str], switches: Mapping[str, Mapping[str, str]]) -> None:
    """A name that no plugin has is probably misspelt, and what it should leave out, or let in, is not."""
    known = sorted({*files, *(name for plugin in plugins for name in (plugin.name, plugin.distribution))})
    has = {normal(name) for name in known}
    for switch, names in switches.items():
        for compared, name in names.items():
            if compared not in has and (compared, switch) != ("off", "GANREG_PLUGINS"):
                told = f"{switch} names '{name}', which no installed plugin is called.{did_you_mean(name, known)}"
                warnings.warn(in_one_line(told), PluginWarning, stacklevel=2)


def _register(loaded: Plugins, plugin: Plugin, importer: Callable[[], ModuleType]) -> None:
    """Import and register one plugin; whatever it raises is its own failure, but Ctrl-C."""
    manager = loaded.manager
    try:
        with guarded(plugin):
            module = importer()
            api = getattr(module, "GANREG_API", 1)
            fits, needs = type(api) is int and OLDEST_API <= api <= GANREG_API, repr(api)
            plugin.file = str(getattr(module, "__file__", None) or "")
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted while importing plugin {plugin.named}") from None
    except BaseException as error:
        loaded._fail(plugin, "broken", error)
        return
    if not fits:
        loaded._fail(plugin, "incompatible", ImportError(f"it needs plugin interface {needs}, this ganreg has {GANREG_API}"))
        return
    try:
        if manager.has_plugin(plugin.name):
            raise ValueError(f"another plugin is named '{plugin.name}'")
        manager.register(module, name=plugin.name)
        manager.check_pending()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, pluggy.PluginValidationError):
            error = ValueError(_shorten(error))
        loaded._fail(plugin, "broken", error)
        return
    plugin.hooks = tuple(sorted(caller.name for caller in manager.get_hookcallers(module) or ()))
    if not plugin.hooks:
        plugin.reason = "it offers nothing: no function of it is marked with @ganreg.hookimpl"


@contextmanager
def guarded(plugin: Plugin, doing: str = "importing") -> Iterator[None]:
    """Around a plugin's code: what it changes for everybody is put back and told, what it prints goes to stderr, which keeps
    stdout for what was asked for, and it is named while it is waited for.
    """
    with unchanged(lambda what: plugin.changed(what, doing)), redirect_stdout(sys.stderr), _told_if_slow(plugin, doing):
        yield


@contextmanager
def _told_if_slow(plugin: Plugin, doing: str) -> Iterator[None]:
    """Who is waited for, once it takes long: it may never end."""
    what = f"importing plugin {plugin.named}" if doing == "importing" else f"{doing}, plugin {plugin.named}"
    told = printable(f"still {what}; leave it out with --no-plugin {plugin.name}")
    timer = threading.Timer(SLOW_SECONDS, lambda: print(told, file=sys.stderr, flush=True))
    timer.daemon = True
    if plugin.name != BUILTIN.name:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shorten(error: Exception) -> str:
    """pluggy's message without the file and the blank lines: what is wrong with which hook."""
    text = " ".join(str(error).split())
    if "unknown hook" in text:
        name = text.split("unknown hook '")[1].split("'")[0]
        known = [hook for hook in vars(hookspecs) if hook.startswith("ganreg_")]
        return f"unknown hook '{name}'.{did_you_mean(name, known)}"
    return text


def _importer(file: Path) -> Callable[[], ModuleType]:
    try:
        exists = file.is_file()
    except OSError as error:
        what = f"the plugin file cannot be opened: {error.strerror}"
        raise UsageError(what, at=f"--plugin {file}", fix="give the path of a Python file") from error
    if not exists:
        raise UsageError("the plugin file does not exist", at=f"--plugin {file}", fix="give the path of a Python file")

    def load_file() -> ModuleType:
        name = f"{FILE_PREFIX}{file.stem}"
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise ImportError("not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    return load_file
