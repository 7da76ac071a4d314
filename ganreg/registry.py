"""From a name to a part: finds who offers it, imports its factory, checks its settings, builds it.

A bare name that a built-in part has means the built-in; two plugins with one name are refused, naming both;
`distribution:name` says which one is meant.
"""

from __future__ import annotations

import importlib
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ganreg import plugins as plugin_loader
from ganreg import settings as settings_of
from ganreg.contracts import GIVEN, KINDS, PLURALS, Component, DataSpec, Kind, Recipe
from ganreg.errors import (
    ContractError,
    GanregError,
    NameConflictError,
    PluginError,
    SettingsError,
    UnknownNameError,
    UsageError,
    WrongKindError,
    did_you_mean,
    reason_of,
)
from ganreg.plugins import Offer, Plugin, Plugins, PluginWarning, guarded, normal

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ganreg.yamltext import KeyPath


def as_kind(word: str) -> Kind:
    """ "loss", "losses" -> "loss".  Raises UsageError."""
    for kind, plural in PLURALS.items():
        if word in (kind, plural):
            return kind
    raise UsageError(
        f"there is no kind of component named '{word}'.{did_you_mean(word, [*KINDS, *PLURALS.values()])} "
        f"Known: {', '.join(PLURALS.values())}",
        at=word,
        fix="ganreg list",
    )


def with_article(kind: Kind) -> str:
    """ "a loss", "an optimizer"."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


@dataclass(frozen=True)
class Part:
    """A component that was found: its record, who offers it, its factory and the model of its settings."""

    component: Component
    plugin: Plugin
    factory: Callable[..., Any]
    model: type[BaseModel]
    called: str = ""
    """The name it was asked for by: bare, or `distribution:name`; empty means the component's own."""

    @property
    def origin(self) -> str:
        """ "ganreg-foo 1.2"."""
        return self.plugin.origin

    @property
    def name(self) -> str:
        """The name that finds this part again."""
        return self.called or self.component.name

    @property
    def owner(self) -> str:
        """ "loss 'hinge'", for messages."""
        return f"{self.component.kind} '{self.component.name}'"

    def check(self, values: Mapping[str, Any], place: Callable[[KeyPath], str] | None = None) -> dict[str, Any]:
        """Settings as given -> settings as the factory takes them.  Raises SettingsError with every fault."""
        return settings_of.validate(self.model, values, owner=self.owner, place=place)

    def build(self, values: Mapping[str, Any], *given: Any) -> Any:
        """Build the part from checked settings.

        Raises SettingsError when the factory refuses them together, ContractError when the part is not what its kind must be.
        """
        try:
            made = self.factory(*given, **values)
        except GanregError:
            raise
        except (TypeError, ValueError) as error:
            raise SettingsError(f"{self.owner} cannot be built: {error}", at=self.owner, fix="change its settings") from error
        except Exception as error:
            raise ContractError(
                f"{self.owner} of {self.plugin.named} cannot be built: {reason_of(error)}",
                at=self.component.factory,
                fix="change its settings, or tell its author",
            ) from error
        _keeps_contract(self, made)
        _remember(made, {"name": self.name, **settings_of.plain(self.model, values)})
        return made


class Registry:
    """The components and recipes of the loaded plugins."""

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self._components = plugins.answers("ganreg_components", Component)
        self._recipes = plugins.answers("ganreg_recipes", Recipe)

    def components(self, kind: Kind | None = None) -> list[Offer[Component]]:
        """Every offered component, or those of one kind, in the order of kinds and names."""
        offers = [offer for offer in self._components if kind in (None, offer.record.kind)]
        return sorted(offers, key=lambda offer: (KINDS.index(offer.record.kind), offer.record.name))

    def recipes(self) -> list[Offer[Recipe]]:
        """Every offered recipe, by name."""
        return sorted(self._recipes, key=lambda offer: offer.record.name)

    def has(self, kind: Kind, name: str) -> bool:
        """Whether a component of this kind has this name, bare or `distribution:name`."""
        return bool(_named(self.components(kind), name))

    def part(self, kind: Kind, name: str, *, at: str = "") -> Part:
        """Find a component by name or `distribution:name`.

        Raises UnknownNameError, WrongKindError, NameConflictError, or PluginError when the plugin that was asked for failed.
        """
        offer = self._choose(kind, name, at or f"--{kind}")
        factory = _import(offer)
        try:
            model = settings_of.model_of(factory, len(GIVEN.get(kind, ())))
        except ContractError as error:
            raise ContractError(f"{offer.plugin.named}: {error.what}", at=error.at, fix=error.fix) from error
        return Part(offer.record, offer.plugin, factory, model, name)

    def default_recipe(self, name: str) -> str | None:
        """What finds the recipe that is the default for the generator of this name: the first that who offers it offers."""
        generators = _named([offer for offer in self._components if offer.record.kind == "generator"], name)
        owners = [offer.plugin for offer in generators]
        first = next((plugin for plugin in owners if plugin.name == "builtin"), owners[0] if len(owners) == 1 else None)
        bare = name.rpartition(":")[2]
        mine = (offer.record.name for offer in self._recipes if offer.plugin is first and offer.record.default_for == bare)
        recipe = next(mine, None)
        if first is None or recipe is None or len(_named(self._recipes, recipe)) == 1:
            return recipe
        return f"{first.distribution}:{recipe}"

    def recipe(self, name: str) -> Recipe:
        """Find a recipe by name or `distribution:name`.

        Raises UnknownNameError, NameConflictError, PluginError where its file is not there.
        """
        offers = _named(self._recipes, name)
        if not offers:
            known = [offer.record.name for offer in self.recipes()]
            self._blame_failed(name, known)
            raise UnknownNameError(
                f"no recipe is named '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}",
                at="--recipe",
                fix="ganreg list recipes",
            )
        offer = _only(offers, f"recipe '{name}'", "--recipe")
        if not offer.record.path.is_file():
            raise PluginError(
                f"recipe '{name}' of {offer.plugin.named} has no file",
                at=str(offer.record.path),
                fix="update or uninstall that plugin",
            )
        return cast("Recipe", offer.record)

    def create(self, kind: Kind, name: str, *given: Any, settings: Mapping[str, Any] | None = None) -> Any:
        """Find, check and build in one go; `given` is what the kind's factories are passed (`contracts.GIVEN`)."""
        part = self.part(kind, name)
        return part.build(part.check(settings or {}), *given)

    def _choose(self, kind: Kind, name: str, at: str) -> Offer[Component]:
        offers = _named([offer for offer in self._components if offer.record.kind == kind], name)
        if offers:
            return _only(offers, f"{kind} '{name}'", at)
        self._blame_failed(name, [offer.record.name for offer in self.components(kind)])
        others = _named(self._components, name)
        if others:
            kinds = " and ".join(sorted({with_article(offer.record.kind) for offer in others}))
            raise WrongKindError(f"'{name}' is {kinds}, not {with_article(kind)}", at=at, fix=f"ganreg list {PLURALS[kind]}")
        known = [offer.record.name for offer in self.components(kind)]
        raise UnknownNameError(
            f"no {kind} is named '{name}'.{did_you_mean(name, known)} Known: {', '.join(known) or 'none'}",
            at=at,
            fix=f"ganreg list {PLURALS[kind]}",
        )

    def _blame_failed(self, name: str, known: Sequence[str]) -> None:
        """An unknown name, while a plugin that failed may be the one that has it."""
        failed = self.plugins.broken
        distribution, _, bare = name.rpartition(":")
        if distribution:
            failed = [plugin for plugin in failed if _is_of(plugin, distribution)]
        elif did_you_mean(bare, known) or _named(self._components, bare):
            return
        if failed:
            raise plugin_loader.failure(failed[0])


def _named(offers: Sequence[Offer[Any]], name: str) -> list[Offer[Any]]:
    distribution, _, bare = name.rpartition(":")
    found = [offer for offer in offers if offer.record.name == bare]
    return [offer for offer in found if not distribution or _is_of(offer.plugin, distribution)]


def _is_of(plugin: Plugin, distribution: str) -> bool:
    """Names as package indexes compare them."""
    return normal(distribution) in (normal(plugin.distribution), normal(plugin.name))


def _only(offers: list[Offer[Any]], what: str, at: str) -> Offer[Any]:
    """The one that is meant: a built-in before any plugin, else the only one.  Raises NameConflictError."""
    built_in = [offer for offer in offers if offer.plugin.name == "builtin"]
    if built_in and len(offers) > 1:
        shadowing = ", ".join(sorted(offer.plugin.named for offer in offers if offer not in built_in))
        warnings.warn(
            f"{what} is built in; the one from {shadowing} is used as 'distribution:name'", PluginWarning, stacklevel=3
        )
        return built_in[0]
    if len(offers) > 1:
        origins = " and ".join(sorted(offer.plugin.named for offer in offers))
        choices = " or ".join(sorted(f"'{offer.plugin.distribution}:{offer.record.name}'" for offer in offers))
        raise NameConflictError(f"{what} is offered by {origins}", at=at, fix=f"say {choices}, or uninstall one")
    return offers[0]


def _import(offer: Offer[Component]) -> Callable[..., Any]:
    module_name, _, attribute = offer.record.factory.partition(":")
    try:
        with nullcontext() if module_name in sys.modules else guarded(offer.plugin):
            factory = getattr(importlib.import_module(module_name), attribute)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted while importing {offer.record.factory} of {offer.plugin.named}") from None
    except BaseException as error:
        raise PluginError(
            f"{offer.record.kind} '{offer.record.name}' of {offer.plugin.named} failed to load: {reason_of(error)}",
            at=offer.record.factory,
            fix="update or uninstall that plugin",
        ) from error
    return cast("Callable[..., Any]", factory)


_made: dict[int, tuple[Callable[[], Any], dict[str, Any]]] = {}


def _remember(made: Any, told: dict[str, Any]) -> None:
    """Name and settings by object; one with slots cannot be referred to weakly, and is small enough to be kept."""
    key = id(made)
    try:
        _made[key] = (weakref.ref(made, lambda _: _made.pop(key, None)), told)
    except TypeError:
        _made[key] = (lambda: made, told)


def made_as(part: Any) -> dict[str, Any] | None:
    """Name and settings of an object that was built here, so that a run's config.yaml can name it; else None."""
    reference, told = _made.get(id(part), (lambda: None, None))
    return told if reference() is part else None


_MUST_HAVE: dict[Kind, tuple[str, ...]] = {
    "generator": ("latent_dim", "forward", "parameters", "state_dict"),
    "discriminator": ("forward", "parameters", "state_dict"),
    "loss": ("discriminator", "generator"),
    "regularizer": ("network", "interval", "penalty"),
    "augmentation": ("__call__",),
    "optimizer": ("step", "state_dict", "param_groups"),
    "dataset": ("spec", "__len__", "__getitem__", "fingerprint"),
    "extractor": ("__call__", "fingerprint"),
    "metric": ("__call__", "higher_is_better"),
    "tracker": ("start", "scalars", "images", "finish"),
}


def _keeps_contract(part: Part, made: Any) -> None:
    kind = part.component.kind
    missing = [name for name in _MUST_HAVE[kind] if not hasattr(made, name)]
    if kind == "dataset" and hasattr(made, "__iter__"):  # a stream has no length and no index
        missing = [name for name in missing if name not in ("__len__", "__getitem__")]
    if missing:
        raise ContractError(
            f"{part.owner} of {part.plugin.named} made a {type(made).__name__} without {', '.join(missing)}",
            at=part.component.factory,
            fix=f"give it what every {kind} has: {', '.join(_MUST_HAVE[kind])}",
        )


# --- the process's registry -------------------------------------------------------------------------------------------

_current: Registry | None = None
_loading = threading.local()


def current() -> Registry:
    """The registry of this process, loaded at first use."""
    return _current if _current is not None else configure()


def configure(*, files: Sequence[Path] = (), blocked: Sequence[str] = ()) -> Registry:
    """Load the plugins (again) with these single files and without the blocked ones.

    A plugin that asks for components while it is loaded, or while its hook is asked, fails: nobody knows them yet.
    """
    global _current
    if getattr(_loading, "now", False):
        raise RuntimeError("components cannot be asked for while plugins are loaded")
    _loading.now = True
    try:
        _current = Registry(plugin_loader.load(files=files, blocked=blocked))
    finally:
        _loading.now = False
    return _current


def create(kind: Kind, name: str, /, *given: Any, spec: DataSpec | None = None, **settings: Any) -> Any:
    """Build a component by name.  Networks and augmentations take `spec`; an optimizer its parameters by position.

    Raises UnknownNameError, WrongKindError, SettingsError with every fault, PluginError.
    """
    passed = (*given, spec) if spec is not None else given
    kind = as_kind(kind)
    if len(passed) != len(GIVEN.get(kind, ())):
        raise TypeError(
            f"expected {', '.join(GIVEN.get(kind, ())) or 'nothing'} to be passed for a {kind}, got {len(passed)} values"
        )
    return current().create(kind, name, *passed, settings=settings)


def components(kind: Kind | None = None) -> list[Component]:
    """The records of every component, or of one kind.  Imports no component."""
    return [offer.record for offer in current().components(as_kind(kind) if kind is not None else None)]
