"""The hooks a plugin may implement.  Each has an example to copy and an empty answer.

A plugin is a module named by an entry point of the group `ganreg`; it imports without torch:

    [project.entry-points.ganreg]
    foo = "ganreg_foo.plugin"
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

from ganreg.contracts import Component, Observer, Recipe

if TYPE_CHECKING:
    import click

    from ganreg.engine.run import Run

hookspec = pluggy.HookspecMarker("ganreg")
hookimpl = pluggy.HookimplMarker("ganreg")


@hookspec
def ganreg_components() -> Iterable[Component]:
    """Offer components: generators, losses, data sets, anything with a kind.

    Example::

        @ganreg.hookimpl
        def ganreg_components():
            yield Component("loss", "hinge", "ganreg_foo.losses:Hinge", "Margin loss.")
    """
    return ()


@hookspec
def ganreg_recipes() -> Iterable[Recipe]:
    """Offer recipes: named settings of a whole run, one YAML file each.

    Example::

        @ganreg.hookimpl
        def ganreg_recipes():
            yield Recipe("foo-small", Path(__file__).with_name("foo-small.yaml"), "Foo on small pictures.", default_for="foo")
    """
    return ()


@hookspec
def ganreg_commands() -> Iterable[click.Command]:
    """Add verbs to the command line.

    Example::

        @ganreg.hookimpl
        def ganreg_commands():
            @click.command("foo")
            def foo() -> None:
                "Say foo."
                click.echo("foo")

            yield foo
    """
    return ()


@hookspec
def ganreg_observers(run: Run) -> Iterable[Observer]:
    """Watch every run: called before the first step, on the main process.

    Example::

        class Bell(Observer):
            def finished(self, status: str) -> None:
                print("\\a", end="")


        @ganreg.hookimpl
        def ganreg_observers(run):
            yield Bell()
    """
    return ()
