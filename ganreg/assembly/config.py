"""From what was said to what is done: defaults, recipe, file and command line become one checked configuration.

Later layers win.  A layer that names another component drops the settings meant for the one before; `optimizer` speaks to both
networks' optimizers.  Whatever nobody said is filled in and noted, so that nothing is decided in silence.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from ganreg import settings, yamltext
from ganreg.contracts import Kind, Recipe
from ganreg.engine.settings import RunSettings
from ganreg.errors import PluginError, SettingsError, UnknownNameError, UsageError, did_you_mean
from ganreg.registry import Part, Registry, with_article
from ganreg.yamltext import Document

SCHEMA_VERSION = 1

T = TypeVar("T")

SINGLE: dict[str, Kind] = {
    "dataset": "dataset",
    "generator": "generator",
    "discriminator": "discriminator",
    "loss": "loss",
    "generator_optimizer": "optimizer",
    "discriminator_optimizer": "optimizer",
    "augmentation": "augmentation",
    "extractor": "extractor",
}
"""Keys of a configuration that choose one component, and its kind."""

SEVERAL: dict[str, Kind] = {"regularizers": "regularizer", "metrics": "metric", "trackers": "tracker"}
"""Keys that hold a list of components, and their kind; `regularizer: {r1: {weight: 1}}` speaks to one in the list."""

OPTIONAL: tuple[Kind, ...] = ("augmentation", "extractor")
"""Kinds that a run may be without."""

DEFAULTS: dict[str, Any] = {
    "dataset": {"name": "digits"},
    "generator": {"name": "dcgan"},
    "loss": {"name": "bce"},
    "generator_optimizer": {"name": "adam"},
    "discriminator_optimizer": {"name": "adam"},
    "regularizers": [],
    "metrics": [],
    "trackers": [],
    "augmentation": None,
    "extractor": None,
}
DEFAULT_STEPS = 2000


@dataclass(frozen=True)
class Choice:
    """A component and its checked settings."""

    part: Part
    settings: Mapping[str, Any]
    asked: bool = True
    """Whether the user named it, or else a recipe."""

    def build(self, *given: Any) -> Any:
        """Make it."""
        return self.part.build(self.settings, *given)

    __call__ = build  # an optimizer that is chosen is a callable on parameters, as any optimizer may be

    def plain(self) -> dict[str, Any]:
        """Its name and settings, for a YAML file."""
        return {"name": self.part.name, **settings.plain(self.part.model, self.settings)}


@dataclass(frozen=True)
class Config:
    """A checked configuration."""

    components: Mapping[str, Choice | None]
    regularizers: Sequence[Choice]
    run: RunSettings
    plugin_files: Mapping[str, str] = field(default_factory=dict)
    recipe: str | None = None
    inferred: Sequence[str] = field(default_factory=tuple)
    metrics: Sequence[Choice] = ()
    trackers: Sequence[Choice] = ()

    def plain(self) -> dict[str, Any]:
        """Every setting written out, in the form of a configuration file that repeats this run."""
        single = {key: choice.plain() if choice else None for key, choice in self.components.items()}
        several = {key: [choice.plain() for choice in getattr(self, key)] for key in SEVERAL}
        run = settings.plain(settings.model_of(RunSettings), {name: getattr(self.run, name) for name in _run_fields()})
        head = {"schema_version": SCHEMA_VERSION, "recipe": None, "plugin_files": dict(self.plugin_files)}
        return {**head, **single, **several, **run}


@dataclass
class _Chosen:
    """One component while the layers are laid over each other."""

    name: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    source: str = ""
    """The layer that named it, where it is one of a list."""

    def lay(self, value: Any, place: str, places: Mapping[str, str]) -> None:
        """A later layer: a name, or a mapping that may hold one."""
        said = dict(value) if isinstance(value, Mapping) else {"name": value}
        name = said.pop("name", self.name)
        if name != self.name:
            self.values, self.places = {}, {}
        if "name" not in self.places or "name" in places or not isinstance(value, Mapping):
            self.places["name"] = places.get("name", place)
        self.name = name
        for key, setting in said.items():
            self.values[key.replace("-", "_")] = setting
            self.places[key.replace("-", "_")] = places.get(key, place)


def resolve(layers: Sequence[Document], registry: Registry, *, resumed: bool = False) -> Config:
    """Lay the layers over the defaults and check everything; `resumed`: the first is what the run was made with.

    Raises SettingsError with all faults at once, UnknownNameError and its kin for names.
    """
    for layer in layers:
        _check_plugin_files(layer, registry)
    sources = [layer.source for layer in layers[1 if resumed else 0 :]]
    layers, recipe, inferred = _stacked(layers, registry)
    errors: list[SettingsError] = []
    single, matched = _singles(layers, registry)
    inferred += matched
    components = {key: _choose(SINGLE[key], chosen, registry, errors) for key, chosen in single.items()}
    several = {key: _choose_several(key, layers, registry, errors, sources) for key in SEVERAL}
    run = _run_settings(layers, errors, inferred)
    if errors:
        raise SettingsError.together(errors)
    return Config(
        components,
        several["regularizers"],
        cast("RunSettings", run),
        plugin_files(registry),
        recipe,
        inferred,
        several["metrics"],
        several["trackers"],
    )


def plugin_files(registry: Registry) -> dict[str, str]:
    """Name and sha256 of each single file that was loaded as a plugin: a run says which it needs, and loads none itself."""
    return {Path(plugin.source).name: plugin.sha256 for plugin in registry.plugins.plugins if plugin.sha256}


def _check_plugin_files(layer: Document, registry: Registry) -> None:
    """A stored configuration that needs a plugin file: the same one must have been given again."""
    needed = layer.values.get("plugin_files") or {}
    given = plugin_files(registry)
    for name, digest in needed.items() if isinstance(needed, Mapping) else ():
        place = layer.place(("plugin_files", name))
        if name not in given:
            raise UsageError(
                f"this configuration needs the plugin file {name}", at=place, fix=f"give it again: --plugin {name}"
            )
        if given[name] != digest:
            raise UsageError(
                f"the plugin file {name} is another one than the run's: "
                f"its sha256 is {given[name][:12]}…, not {str(digest)[:12]}…",
                at=place,
                fix="give the file that the run used, or take the entry out of the configuration",
            )


def chosen_names(layers: Sequence[Document], registry: Registry) -> dict[str, list[str]]:
    """Which components the layers choose, settings unread: key -> names, none or one, or several for those of `SEVERAL`."""
    layers, _, _ = _stacked(layers, registry)
    single, _ = _singles(layers, registry)
    found = {key: [chosen] for key, chosen in single.items()} | {key: _several(key, layers) for key in SEVERAL}
    return {key: [one.name for one in several if isinstance(one.name, str)] for key, several in found.items()}


def _stacked(layers: Sequence[Document], registry: Registry) -> tuple[list[Document], str | None, list[str]]:
    """Defaults, recipe and the layers over each other; the recipe's name, and a note where nobody named it."""
    layers = [_normal(layer) for layer in layers]
    recipe, inferred = _recipe(layers, registry)
    if recipe is not None:
        own = _normal(yamltext.read(registry.recipe(recipe).path))
        layers = [_of_generator(own, layers) if inferred else own, *layers]
    return [Document(DEFAULTS, "defaults"), *layers], recipe, inferred


def _singles(layers: Sequence[Document], registry: Registry) -> tuple[dict[str, _Chosen], list[str]]:
    """What the layers say of each key that chooses one component; a note where the discriminator follows from G."""
    single = {key: _single(key, layers) for key in SINGLE}
    if single["discriminator"].name is not None:
        return single, []
    single["discriminator"].name = _matching_discriminator(single["generator"].name, registry)
    return single, [f"discriminator: {single['discriminator'].name}"]


def _run_fields() -> list[str]:
    return list(settings.model_of(RunSettings).model_fields)


def _normal(layer: Document) -> Document:
    """Keys spelt with underscores, and none that nobody knows."""
    known = ["schema_version", "recipe", "plugin_files", "optimizer", *SEVERAL, *SEVERAL.values(), *SINGLE, *_run_fields()]
    values = {key.replace("-", "_"): value for key, value in layer.values.items()}
    lines = {(path[0].replace("-", "_"), *path[1:]): line for path, line in layer.lines.items()}
    layer = Document(values, layer.source, lines)
    unknown = [key for key in values if key not in known]
    if unknown:
        faults = [(layer.place((key,)), f"there is no setting '{key}'.{did_you_mean(key, known)}") for key in unknown]
        raise SettingsError(faults, at=layer.source, fix="ganreg config schema")
    for key, value in values.items():
        if isinstance(value, Mapping) and "object" in value:
            raise UsageError(
                f"the {key} of this run was an object, {value['object']}, that no name builds",
                at=layer.place((key,)),
                fix="go on with it from Python",
            )
    version = values.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        text = f"schema_version must be {SCHEMA_VERSION}, got {version}"
        raise SettingsError([(layer.place(("schema_version",)), text)], at=layer.source, fix="update ganreg")
    if "optimizer" in values:
        both = values.pop("optimizer")
        shared = {path[1:]: line for path, line in lines.items() if path[0] == "optimizer"}
        for key in ("generator_optimizer", "discriminator_optimizer"):
            values[key] = _over(both, values.get(key))
            lines = {**{(key, *path): line for path, line in shared.items()}, **lines}
    return Document(values, layer.source, lines)


def _over(both: Any, one: Any) -> Any:
    """`optimizer` of a layer under that layer's own word for one network."""
    chosen = _Chosen()
    chosen.lay(both, "", {})
    if one is not None:
        chosen.lay(one, "", {})
    named = chosen.name is not None or both is None
    return {**({"name": chosen.name} if named else {}), **chosen.values}


def _recipe(layers: Sequence[Document], registry: Registry) -> tuple[str | None, list[str]]:
    said = [layer.values["recipe"] for layer in layers if "recipe" in layer.values]
    if said:
        if said[-1] is not None and not isinstance(said[-1], str):
            place = [layer.place(("recipe",)) for layer in layers if "recipe" in layer.values][-1]
            raise SettingsError(f"recipe must be a name, got {said[-1]!r}", at=place, fix="ganreg list recipes")
        return said[-1], []
    name = _single("generator", [Document(DEFAULTS), *layers]).name
    recipe = registry.default_recipe(name) if isinstance(name, str) else None
    if recipe is None or not _same_parts(registry.recipe(recipe), layers, registry):
        return None, []
    return recipe, [f"recipe: {recipe}"]


def _same_parts(recipe: Recipe, layers: Sequence[Document], registry: Registry) -> bool:
    """A recipe that nobody asked for is tuned to its data and its pair; for others the defaults are the better guess."""
    single, _ = _singles([Document(DEFAULTS), _normal(yamltext.read(recipe.path))], registry)
    asked = {key: _single(key, layers).name for key in ("dataset", "discriminator")}
    return all(name is None or name == single[key].name for key, name in asked.items())


def _of_generator(recipe: Document, layers: Sequence[Document]) -> Document:
    """A recipe that came along, its generator called as the layers call it, bare or `distribution:name`."""
    called, own = _single("generator", layers).name, _single("generator", [recipe])
    names = [name.rpartition(":")[2] for name in (called, own.name) if isinstance(name, str)]
    if len(names) < 2 or names[0] != names[1]:
        return recipe
    return replace(recipe, values={**recipe.values, "generator": {"name": called, **own.values}})


def _single(key: str, layers: Sequence[Document]) -> _Chosen:
    chosen = _Chosen()
    for layer in layers:
        if key in layer.values:
            value = layer.values[key]
            chosen.lay(value, layer.place((key,)), _places(layer, (key,), value))
    return chosen


def _several(key: str, layers: Sequence[Document]) -> list[_Chosen]:
    """`regularizers` replaces the list; `regularizer: {r1: {weight: 1}}` adds to one that is in it."""
    kind = SEVERAL[key]
    found: list[_Chosen] = []
    for layer in layers:
        if key in layer.values:
            found = []
            for index, value in enumerate(_must_be(list, key, layer)):
                path = (key, str(index))
                found.append(_Chosen(source=layer.source))
                found[-1].lay(value, layer.place(path), _places(layer, path, value))
        for name, value in _must_be(dict, kind, layer).items():
            path = (kind, name)
            same = [chosen for chosen in found if chosen.name == name]
            if not same:
                near = did_you_mean(str(name), [chosen.name for chosen in found if isinstance(chosen.name, str)])
                text = f"no {kind} '{name}' is chosen.{near}" if near else f"no {kind} '{name}' is chosen"
                raise SettingsError([(layer.place(path), text)], at=layer.source, fix=f"--{kind} {name}")
            same[0].lay(_must_be(dict, kind, layer, value), layer.place(path), _places(layer, path, value))
    return found


def _choose_several(
    key: str, layers: Sequence[Document], registry: Registry, errors: list[SettingsError], asked: Sequence[str]
) -> list[Choice]:
    """Those of a list.  A tracker that no layer in `asked` names but a recipe, or a run that goes on, can be done without."""
    found: list[Choice] = []
    for one in _several(key, layers):
        is_asked = one.source in asked
        try:
            choice = _choose(SEVERAL[key], one, registry, errors)
        except (UnknownNameError, PluginError) as error:
            if key != "trackers" or is_asked:
                raise
            warnings.warn(f"tracker '{one.name}' is left out: {error.what}", stacklevel=2)
        else:
            found += [replace(choice, asked=is_asked)] if choice is not None else []
    return found


def _places(layer: Document, path: yamltext.KeyPath, value: Any) -> dict[str, str]:
    """Where each key of a component's mapping stands."""
    return {name: layer.place((*path, name)) for name in value} if isinstance(value, Mapping) else {}


def _must_be(expected: type[T], key: str, layer: Document, *values: Any) -> T:
    """The value of a key (or the one given), empty when nothing was said.  Raises SettingsError for another form."""
    value = values[0] if values else layer.values.get(key)
    if value is None:
        return expected()
    if not isinstance(value, expected):
        form = "a list of names" if expected is list else "a mapping of a chosen name to settings"
        example = "- wandb" if key.startswith("tracker") else "- r1"
        raise SettingsError([(layer.place((key,)), f"{key} must be {form}, got {value!r}")], at=layer.source, fix=example)
    return value


def _matching_discriminator(generator: str | None, registry: Registry) -> str:
    return generator if isinstance(generator, str) and registry.has("discriminator", generator) else "dcgan"


def _choose(kind: Kind, chosen: _Chosen, registry: Registry, errors: list[SettingsError]) -> Choice | None:
    if chosen.name is None and not chosen.values and kind in OPTIONAL:
        return None
    place = chosen.places.get("name", "")
    if not isinstance(chosen.name, str):
        got = "none" if chosen.name is None else repr(chosen.name)
        text = f"{with_article(kind)} needs a name, got {got}"
        errors.append(SettingsError([(place, text)], at=kind, fix=f"ganreg list {kind}"))
        return None
    part = registry.part(kind, chosen.name, at=place)
    try:
        return Choice(part, part.check(chosen.values, lambda path: chosen.places.get(path[0], place)))
    except SettingsError as error:
        errors.append(error)
        return None


def _run_settings(layers: Sequence[Document], errors: list[SettingsError], inferred: list[str]) -> RunSettings | None:
    fields = _run_fields()
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for layer in layers:
        said = {key: value for key, value in layer.values.items() if key in fields}
        if said.get("steps") is not None and said.get("epochs") is not None:
            text = "steps and epochs both say how long; give one"
            errors.append(SettingsError([(layer.place(("epochs",)), text)], at=layer.source, fix="leave out one of them"))
        if said.get("steps") is not None or said.get("epochs") is not None:
            values |= {"steps": None, "epochs": None}
        for key, value in said.items():
            both = isinstance(value, Mapping) and isinstance(values.get(key), Mapping)
            values[key] = {**values[key], **value} if both else value
            places[key] = layer.place((key,))
    model = settings.model_of(RunSettings)
    try:
        checked = settings.validate(model, values, owner="a run", place=lambda path: places.get(path[0], ""))
    except SettingsError as error:
        errors.append(error)
        return None
    if checked["steps"] is None and checked["epochs"] is None:  # only now, since many a word means none
        checked["steps"] = DEFAULT_STEPS
        inferred.append(f"steps: {DEFAULT_STEPS}")
    return RunSettings(**checked)
