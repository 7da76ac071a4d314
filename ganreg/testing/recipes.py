"""What a recipe must do: be found, be a whole run's settings, and be the default of a generator that comes with it."""

from __future__ import annotations

from ganreg import registry as registries
from ganreg.assembly.config import resolve
from ganreg.contracts import Recipe
from ganreg.errors import GanregError, SettingsError
from ganreg.plugins import Plugin
from ganreg.testing.subject import expect
from ganreg.yamltext import Document


def is_a_configuration(recipe: Recipe, plugin: Plugin) -> None:
    """A path to data is left to whoever uses it; nothing else is."""
    asked = Document({"recipe": f"{plugin.distribution}:{recipe.name}"})
    registry = registries.current()
    try:
        try:
            resolve([asked], registry)
        except SettingsError:
            resolve([asked, Document({"dataset": {"path": "."}})], registry)
    except GanregError as error:
        raise AssertionError(f"recipe '{recipe.name}' of {plugin.named} cannot be used: {error}") from error


def is_the_default_of_a_generator_there_is(recipe: Recipe, plugin: Plugin) -> None:
    """Of the same plugin, and before its other recipes."""
    name, registry = recipe.default_for, registries.current()
    own = [one.record.name for one in registry.components("generator") if one.plugin is plugin]
    told = ", ".join(own) or "none"
    expect(name in own, f"default_for of recipe '{recipe.name}' is '{name}', no generator of {plugin.named}; it has: {told}")
    first = (registry.default_recipe(f"{plugin.distribution}:{name}") or "").rpartition(":")[2]
    expect(first == recipe.name, f"recipes '{first}' and '{recipe.name}' both say default_for '{name}': the first alone is it")


CHECKS = (is_a_configuration, is_the_default_of_a_generator_there_is)
