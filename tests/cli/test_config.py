"""`ganreg config`: the resolved configuration and the schema of all configurations."""

import json
from pathlib import Path

from ganreg import yamltext
from ganreg.contracts import KINDS
from ganreg.settings import describe, model_of

from .conftest import TINY, Run


def test_show_prints_yaml_and_nothing_else(run: Run, place: Path):
    status, out, err = run("config", "show", *TINY, "--out", "there", "--dry-run", "--quiet")

    assert (status, err) == (0, "")
    assert yamltext.parse(out).values["generator"]["hidden"] == [8]
    assert list(place.iterdir()) == []


def test_what_show_prints_is_a_configuration_that_shows_the_same(run: Run):
    out = run("config", "show", *TINY).out
    Path("run.yaml").write_text(out)

    assert run("config", "show", "-c", "run.yaml").out == out


def test_show_of_a_run_is_that_run_s(run: Run, trained: Path):
    values = yamltext.parse(run("config", "show", "--resume", "latest", "--steps", "9").out).values

    assert values["steps"] == 9
    assert values["generator"]["hidden"] == [8]


def test_show_takes_what_train_takes(run: Run):
    def flags(text: str) -> set[str]:
        return {word for line in text.splitlines() for word in line.split() if word.startswith("--") and line.startswith("  -")}

    assert flags(run("config", "show", "--help").out) == flags(run("train", "--help").out)


def test_show_tells_every_fault(run: Run):
    status, out, err = run("config", "show", "--batch-size", "0", "--keep", "0", "--generator", "mlp")

    assert (status, out) == (2, "")
    assert "2 settings are wrong" in err


def test_schema_has_every_key_of_a_configuration(run: Run):
    from ganreg.engine.settings import RunSettings

    status, out, err = run("config", "schema")
    schema = json.loads(out)
    written = yamltext.parse(run("config", "show", *TINY).out).values

    assert (status, err) == (0, "")
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(written) <= set(schema["properties"])
    assert {one.name for one in describe(model_of(RunSettings))} <= set(schema["properties"])
    assert schema["properties"]["batch_size"]["minimum"] == 1
    assert schema["additionalProperties"] is False


def test_schema_names_every_part_with_its_settings(run: Run):
    defined = json.loads(run("config", "schema").out)["$defs"]
    names, *parts = defined["loss"]["anyOf"]
    bce = next(part for part in parts if part["properties"]["name"]["const"] == "bce")

    assert "hinge" in names["anyOf"][0]["enum"]
    assert bce["properties"]["real_label"]["maximum"] == 1.0
    assert bce["properties"]["real_label"]["description"]
    assert bce["additionalProperties"] is False
    assert {"generator", "dataset", "optimizer", "regularizer"} <= set(defined) & set(KINDS) | {"regularizer"}


def test_every_reference_of_the_schema_leads_somewhere(run: Run):
    out = run("config", "schema").out
    schema = json.loads(out)
    found = set()

    def walk(node: object) -> None:
        if isinstance(node, dict):
            found.update([node["$ref"]] if "$ref" in node else [])
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(schema)
    assert found
    assert {one.removeprefix("#/$defs/") for one in found} <= set(schema["$defs"])


TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def fits(value: object, schema: dict, whole: dict) -> bool:
    """The part of JSON Schema that the schema uses."""
    if "$ref" in schema:
        return fits(value, whole["$defs"][schema["$ref"].removeprefix("#/$defs/")], whole)
    types = schema.get("type", list(TYPES))
    if not any(isinstance(value, TYPES[one]) for one in ([types] if isinstance(types, str) else types)):
        return False
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        return False
    if "pattern" in schema and schema["pattern"] not in str(value):
        return False
    if ("minimum" in schema and value < schema["minimum"]) or (
        "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]
    ):
        return False
    if isinstance(value, list) and not all(fits(one, schema.get("items", {}), whole) for one in value):
        return False
    if isinstance(value, dict):
        known = schema.get("properties", {})
        if schema.get("additionalProperties", True) is False and set(value) - set(known):
            return False
        if not all(fits(inner, known.get(key, {}), whole) for key, inner in value.items()):
            return False
    return "anyOf" not in schema or any(fits(value, one, whole) for one in schema["anyOf"])


def test_schema_takes_what_show_prints_and_refuses_a_typo(run: Run):
    schema = json.loads(run("config", "schema").out)
    values = yamltext.parse(run("config", "show", *TINY).out).values

    assert fits(values, schema, schema)
    assert fits({"generator": "mlp", "loss": {"name": "bce", "real_label": 0.9}, "optimizer": "sgd"}, schema, schema)
    assert not fits({**values, "batch_siz": 3}, schema, schema)
    assert not fits({**values, "batch_size": 0}, schema, schema)
    assert not fits({"loss": "hing"}, schema, schema)
    assert not fits({"loss": {"name": "hinge", "margn": 1.0}}, schema, schema)


def test_schema_lives_with_a_part_that_does_not_load(run: Run, install):
    install("foo")
    status, out, _ = run("config", "schema")

    assert status == 0
    losses = json.loads(out)["$defs"]["loss"]["anyOf"][1:]
    assert {"type": "object", "properties": {"name": {"const": "gone", "description": "Its factory is not there."}}} in losses
