"""`ganreg config schema`: the JSON Schema of configuration files, so that an editor completes and checks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ganreg import settings
from ganreg.cli import output
from ganreg.cli.session import session_of, with_shared_options
from ganreg.contracts import Component, Kind
from ganreg.engine.settings import RunSettings
from ganreg.errors import GanregError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ganreg.registry import Registry

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


@with_shared_options
@click.command()
@click.pass_context
def schema(context: click.Context) -> None:
    """Print the JSON Schema of configuration files, for editors.

    Write it to ganreg.json, and begin a configuration with: # yaml-language-server: $schema=ganreg.json
    """
    output.say_json(schema_of(session_of(context).registry()))


def schema_of(registry: Registry) -> Schema:
    """Keys of a run, and for each kind of component its names with their settings."""
    from ganreg.assembly.config import OPTIONAL, SCHEMA_VERSION, SEVERAL, SINGLE

    definitions: dict[str, Schema] = {}
    properties: dict[str, Schema] = {
        "schema_version": {"const": SCHEMA_VERSION},
        "plugin_files": {"type": "object", "additionalProperties": {"type": "string"}},
        "recipe": {"anyOf": [{"enum": [offer.record.name for offer in registry.recipes()]}, {"type": ["string", "null"]}]},
    }
    for key, kind in {**SINGLE, "optimizer": "optimizer"}.items():
        definitions[kind] = _choice(registry, kind, definitions)
        properties[key] = {"$ref": f"#/$defs/{kind}"}
    for key in OPTIONAL:
        properties[key] = {"anyOf": [properties[key], {"type": "null"}]}
    for key, kind in SEVERAL.items():
        definitions[kind] = _choice(registry, kind, definitions)
        properties[key] = {"type": "array", "items": {"$ref": f"#/$defs/{kind}"}}
        properties[kind] = {"type": "object", "additionalProperties": {"type": "object"}}
    run = _of_model(settings.model_of(RunSettings), "run", definitions)
    return {
        "$schema": DIALECT,
        "title": "ganreg run",
        "type": "object",
        "properties": properties | run["properties"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _choice(registry: Registry, kind: Kind, definitions: dict[str, Schema]) -> Schema:
    """A component by name alone, or a mapping with its settings; `distribution:name` says whose is meant."""
    records = [offer.record for offer in registry.components(kind)]
    names: Schema = {"anyOf": [{"enum": sorted({one.name for one in records})}, {"type": "string", "pattern": ":"}]}
    return {"anyOf": [names, *(_with_settings(registry, one, definitions) for one in records)]}


def _with_settings(registry: Registry, record: Component, definitions: dict[str, Schema]) -> Schema:
    name = {"name": {"const": record.name, "description": record.summary}}
    try:
        model = _of_model(registry.part(record.kind, record.name).model, f"{record.kind}-{record.name}", definitions)
    except GanregError:  # a part that does not load has a name all the same
        return {"type": "object", "properties": name}
    described = {"description": record.summary, "type": "object", "additionalProperties": False}
    return {**described, "properties": name | model["properties"]}


def _of_model(model: type[BaseModel], prefix: str, definitions: dict[str, Schema]) -> Schema:
    """pydantic's schema of the settings, its definitions among ours under names of their own."""
    from pydantic.errors import PydanticInvalidForJsonSchema

    try:
        made: Schema = model.model_json_schema(ref_template=f"#/$defs/{prefix}-{{model}}")
    except PydanticInvalidForJsonSchema:  # a type that only Python knows; its name still completes
        return {"properties": {name: {} for name in model.model_fields}}
    definitions |= {f"{prefix}-{name}": inner for name, inner in made.pop("$defs", {}).items()}
    for inner in made.get("properties", {}).values():
        inner.pop("title", None)
    return {"properties": made.get("properties", {})}
