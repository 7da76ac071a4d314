"""Recipes of a plugin: what is told of one that nobody can use, or that is nobody's default."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ganreg.testing import checks_of_plugin

PLUGIN = """
import ganreg
from pathlib import Path
from ganreg.contracts import Component, Recipe

@ganreg.hookimpl
def ganreg_components():
    yield Component("generator", "acme", "ganreg.components.generators.mlp:MLPGenerator", "A network.")

@ganreg.hookimpl
def ganreg_recipes():
    for name, default_for in {offered}:
        yield Recipe(name, Path({folder!r}) / (name + ".yaml"), "Settings.", default_for=default_for)
"""
Told = Callable[..., dict[str, str]]


@pytest.fixture
def told(plugin: Callable[..., Path], tmp_path: Path) -> Told:
    def check(text: str, *offered: tuple[str, str]) -> dict[str, str]:
        """What each check of the plugin's recipes says, "" where it passes."""
        for name, _ in offered:
            (tmp_path / f"{name}.yaml").write_text(text)
        plugin("acme", PLUGIN.format(folder=str(tmp_path), offered=offered))
        said = {}
        for one in checks_of_plugin("ganreg-acme"):
            if one.name.startswith("recipe-"):
                try:
                    one()
                    said[one.name] = ""
                except AssertionError as error:
                    said[one.name] = str(error)
        return said

    return check


def test_a_good_one_passes_also_where_the_path_of_the_data_is_left_open(told: Told):
    assert told("generator: {name: acme}\ndataset: {name: image-folder}", ("small", "acme"), ("other", "")) == {
        "recipe-other-is_a_configuration": "",
        "recipe-small-is_a_configuration": "",
        "recipe-small-is_the_default_of_a_generator_there_is": "",
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("generator: {name: acme, latent_dm: 3}", "Did you mean 'latent_dim'?"),
        ("generator: acne", "no generator is named 'acne'. Did you mean 'acme'?"),
        ("stepz: 3", "Did you mean 'steps'?"),
        ("steps: [", "recipe 'small' of ganreg-acme 1.0 (acme) cannot be used"),
    ],
)
def test_one_that_is_no_configuration_is_told_why(told: Told, text: str, why: str):
    assert why in told(text, ("small", ""))["recipe-small-is_a_configuration"]


def test_a_default_for_no_generator_of_its_own_is_told(told: Told):
    said = told("steps: 3", ("small", "dcgan"))["recipe-small-is_the_default_of_a_generator_there_is"]

    assert said == "default_for of recipe 'small' is 'dcgan', no generator of ganreg-acme 1.0 (acme); it has: acme"


def test_of_two_defaults_for_one_generator_the_second_is_told(told: Told):
    said = told("steps: 3", ("b-first", "acme"), ("a-second", "acme"))

    assert said["recipe-b-first-is_the_default_of_a_generator_there_is"] == ""
    assert "recipes 'b-first' and 'a-second' both say" in said["recipe-a-second-is_the_default_of_a_generator_there_is"]


def test_a_file_that_is_not_there_is_told(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Path, "is_file", lambda self: self.name != "small.yaml")

    assert "has no file" in told("steps: 3", ("small", ""))["recipe-small-is_a_configuration"]
