"""A whole plugin: parts, and a recipe; imported without torch."""

from pathlib import Path

import ganreg
from ganreg.contracts import Component, Recipe

PARTS = "ganreg_foo_parts"


@ganreg.hookimpl
def ganreg_components():
    yield Component("generator", "foo-net", f"{PARTS}:foo_net", "Nothing to train.")
    yield Component("loss", "twin", f"{PARTS}:Twin", "Offered by two distributions.")
    yield Component("loss", "lonely", f"{PARTS}:Twin", "Offered by one.")
    yield Component("loss", "empty", f"{PARTS}:nothing", "Makes None.")
    yield Component("loss", "gone", f"{PARTS}:no_such_attribute", "Its factory is not there.")
    yield Component("regularizer", "flat", f"{PARTS}:Flat", "No penalty.")
    yield Component("regularizer", "steep", f"{PARTS}:Flat", "No penalty under another name.")


@ganreg.hookimpl
def ganreg_recipes():
    yield Recipe("foo-net", Path(__file__).with_name("foo-net.yaml"), "Small.", default_for="foo-net")
