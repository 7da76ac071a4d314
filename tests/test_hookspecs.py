"""The law of hooks: each has a sentence, an empty answer and an example that runs as it stands."""

import inspect
import textwrap
from pathlib import Path

import click
import pluggy
import pytest

import ganreg
from ganreg import hookspecs
from ganreg.contracts import Component, Observer, Recipe

HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("ganreg_")}
YIELDS = {
    "ganreg_components": Component,
    "ganreg_recipes": Recipe,
    "ganreg_commands": click.Command,
    "ganreg_observers": Observer,
}


def arguments(hook):
    return dict.fromkeys(inspect.signature(hook).parameters)


def test_every_hook_is_known_here():
    assert set(HOOKS) == set(YIELDS)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_that_nobody_implements_answers_nothing(name):
    assert list(HOOKS[name](**arguments(HOOKS[name]))) == []


@pytest.mark.parametrize("name", HOOKS)
def test_the_example_in_a_hooks_docstring_runs_as_it_stands(name):
    doc = inspect.getdoc(HOOKS[name])
    words, _, example = doc.partition("Example::\n")
    assert words.strip().endswith(".")
    names = {"ganreg": ganreg, "click": click, "Component": Component, "Recipe": Recipe, "Observer": Observer}
    names |= {"Path": Path, "__file__": str(Path("plugins", "foo.py"))}
    exec(textwrap.dedent(example), names)

    manager = pluggy.PluginManager("ganreg")
    manager.add_hookspecs(hookspecs)
    manager.register(type("Plugin", (), {name: staticmethod(names[name])}), "example")
    manager.check_pending()
    answers = [list(answer) for answer in getattr(manager.hook, name)(**arguments(HOOKS[name]))]

    assert [[isinstance(item, YIELDS[name]) for item in answer] for answer in answers] == [[True]]


def test_the_example_recipe_lies_beside_its_plugin():
    names = {"ganreg": ganreg, "Recipe": Recipe, "Path": Path, "__file__": str(Path("plugins", "foo.py"))}
    exec(textwrap.dedent(inspect.getdoc(HOOKS["ganreg_recipes"]).partition("Example::\n")[2]), names)

    (recipe,) = names["ganreg_recipes"]()
    assert recipe.path == Path("plugins", "foo-small.yaml")


def test_the_example_command_says_foo():
    from click.testing import CliRunner

    names = {"ganreg": ganreg, "click": click}
    exec(textwrap.dedent(inspect.getdoc(HOOKS["ganreg_commands"]).partition("Example::\n")[2]), names)

    (command,) = names["ganreg_commands"]()
    assert CliRunner().invoke(command).output == "foo\n"
