"""`ganreg config`: what a run would be configured as, and what any run may be."""

from __future__ import annotations

from ganreg import yamltext
from ganreg.cli import output
from ganreg.cli.configured import Asked, Configured
from ganreg.cli.group import Verbs
from ganreg.cli.session import with_shared_options


def _show(asked: Asked) -> None:
    output.say(yamltext.dump(asked.resolve().plain()).rstrip("\n"))


show = Configured(
    "show", _show, help="Print the resolved configuration as YAML, every default written out; takes what `train` takes."
)
config = with_shared_options(
    Verbs(
        "config",
        help="Show a resolved configuration, or the schema of all.",
        verbs={
            "show": ("ganreg.cli.config:show", "Print the resolved configuration as YAML; takes what train takes."),
            "schema": ("ganreg.cli.schema:schema", "Print the JSON Schema of configuration files, for editors."),
        },
    )
)
