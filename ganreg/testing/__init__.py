"""The conformance kit: what a component of each kind must do, as tests for whoever wrote it.

    # tests/test_conformance.py of a plugin
    from ganreg.testing import parametrize_with_checks


    @parametrize_with_checks("ganreg-foo")
    def test_conformance(check):
        check()

Each check is a test of its own, `loss-focal-has_the_gradient_of_its_value`, and says what to do where it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import SkipTest

import torch

from ganreg import extras
from ganreg import plugins as plugin_loader
from ganreg import registry as registries
from ganreg.contracts import Kind, Recipe
from ganreg.errors import GanregError, UnknownNameError, did_you_mean
from ganreg.testing import common, losses, measures, networks, others, recipes
from ganreg.testing.subject import Subject, expect

BY_KIND: Mapping[Kind, Sequence[Callable[[Subject], None]]] = {
    "generator": networks.GENERATOR,
    "discriminator": networks.DISCRIMINATOR,
    "loss": losses.CHECKS,
    "optimizer": others.OPTIMIZER,
    "regularizer": others.REGULARIZER,
    "augmentation": others.AUGMENTATION,
    "dataset": others.DATASET,
    "tracker": others.TRACKER,
    "extractor": measures.EXTRACTOR,
    "metric": measures.METRIC,
}
"""What is asked of each kind, after `common.CHECKS`."""


@dataclass(frozen=True)
class Check:
    """One thing that one component must do.  Called, it returns, or raises AssertionError with what to do."""

    name: str
    run: Callable[[], None]

    def __call__(self) -> None:
        """Run it; random numbers and gradients elsewhere are left as they were.  Raises SkipTest where an extra is missing."""
        with torch.random.fork_rng(), torch.enable_grad():
            try:
                self.run()
            except GanregError as error:
                if error.fix.startswith(extras.INSTALL):
                    raise SkipTest(f"{error.what}: {error.fix}") from error
                raise


def checks_of(kind: Kind, name: str, settings: Mapping[str, Any] | None = None) -> list[Check]:
    """The checks of one component, by name or `distribution:name`; `settings` for what has no default.

    Raises UnknownNameError, PluginError when its plugin failed to load, ContractError for settings that cannot be typed.
    """
    subject = Subject(registries.current().part(kind, name), settings or {})
    if missing := subject.missing():
        return [Check(f"{kind}-{name}", lambda: _skip(f"{kind}-{subject.part.component.name}", missing))]
    asked = (*common.CHECKS, *BY_KIND.get(kind, ()))
    return [Check(f"{kind}-{name}-{one.__name__}", lambda one=one: one(subject)) for one in asked]  # type: ignore[misc]


def checks_of_plugin(plugin: str, settings: Mapping[str, Mapping[str, Any]] | None = None) -> Iterator[Check]:
    """The checks of all that a plugin offers, by its name or its distribution's; settings by component, "loss-focal".

    What has settings without a default that are not given is one check, which is skipped and says so.

    Raises UnknownNameError for a plugin that is not installed and for settings of what it does not offer, PluginError for one
    that failed to load.
    """
    registry = registries.current()
    mine = [one for one in registry.plugins.plugins if plugin in (one.name, one.distribution)]
    if not mine:
        known = sorted({one.distribution for one in registry.plugins.plugins})
        raise UnknownNameError(
            f"no plugin is named '{plugin}'.{did_you_mean(plugin, known)} Known: {', '.join(known)}",
            at="ganreg.testing",
            fix="install it first: pip install -e .",
        )
    offered = [offer for offer in registry.components() if offer.plugin in mine]
    named = [f"{offer.record.kind}-{offer.record.name}" for offer in offered]
    for given in settings or ():
        if given not in named:
            raise UnknownNameError(
                f"settings are given for '{given}', which '{plugin}' does not offer.{did_you_mean(given, named)}",
                at="ganreg.testing",
                fix=f"name one of {', '.join(named) or 'its components, of which there are none'}",
            )
    for one in mine:
        if one.status != "ok":
            raise plugin_loader.failure(one)
        if one.distribution != "ganreg" and not one.sha256:
            source = one.source.partition(":")[0]
            yield Check(f"{one.name}-imports_without_torch", lambda source=source: common.imports_without_torch(source))  # type: ignore[misc]
    for offer, short in zip(offered, named, strict=True):
        bare = offer.record.name
        full = f"{offer.plugin.distribution}:{bare}" if offer.plugin.distribution != "ganreg" else bare
        try:
            checks = checks_of(offer.record.kind, full, (settings or {}).get(short))
        except GanregError as error:
            checks = [Check(f"{short}-can_be_imported", lambda error=error: expect(False, str(error.what)))]  # type: ignore[misc]
        for check in checks:
            yield Check(check.name.replace(full, bare), check.run)
    yield from _checks_of_recipes([offer for offer in registry.recipes() if offer.plugin in mine])


def _checks_of_recipes(offers: Sequence[plugin_loader.Offer[Recipe]]) -> Iterator[Check]:
    for offer in offers:
        recipe = offer.record
        for ask in recipes.CHECKS if recipe.default_for else recipes.CHECKS[:1]:
            yield Check(f"recipe-{recipe.name}-{ask.__name__}", partial(ask, recipe, offer.plugin))


def _skip(named: str, missing: Sequence[str]) -> None:
    """Raises SkipTest, which pytest and unittest count as a test that was not run."""
    values = ", ".join(f"'{one}': …" for one in missing)
    raise SkipTest(f"{', '.join(missing)} must be given to check it: {{'{named}': {{{values}}}}}")


def parametrize_with_checks(plugin: str, settings: Mapping[str, Mapping[str, Any]] | None = None) -> Any:
    """A pytest decorator: the test gets `check`, one after the other, and calls it."""
    import pytest

    return pytest.mark.parametrize("check", [pytest.param(one, id=one.name) for one in checks_of_plugin(plugin, settings)])
