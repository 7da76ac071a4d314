"""A factory's signature is its configuration: from `def build(spec, *, width: int = 64)` to checked settings.

The pydantic model is made from the keyword parameters: types, defaults, and bounds and help from
`Annotated[int, Field(ge=1, description="…")]`.  All faults are told at once, an unknown key with the nearest known one.
Text from a command line is read as YAML would read it, so "2e-4" is a float and "[0, 0.9]" a list.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import PurePath
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, cast, get_args, get_origin

from ganreg import yamltext
from ganreg.errors import ContractError, SettingsError, did_you_mean

if TYPE_CHECKING:
    from pydantic import BaseModel

Place = Callable[[yamltext.KeyPath], str]
RESERVED = frozenset({"name", "copy", "json", "schema", "validate", "construct", "dict", "from_orm", "parse_obj"}) | {
    "parse_file",
    "parse_raw",
    "schema_json",
    "update_forward_refs",
}


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting, for people: its type and default as text, its help, the words it takes where these are few."""

    name: str
    type: str
    default: str
    help: str
    required: bool
    choices: tuple[str, ...] = ()


@cache
def model_of(factory: Callable[..., Any], given: int = 0) -> type[BaseModel]:
    """The model of a factory's settings; the first `given` parameters are passed by the caller.

    Raises ContractError when the signature cannot be a configuration.
    """
    from pydantic import BeforeValidator, ConfigDict, create_model

    fields: dict[str, Any] = {}
    for parameter in _parameters(factory)[given:]:
        _refuse_unfit(factory, parameter)
        annotation = _annotation(factory, parameter)
        before = BeforeValidator(_reader(annotation))
        fields[parameter.name] = (Annotated[annotation, before], _default(factory, parameter))
    config = ConfigDict(extra="forbid", allow_inf_nan=False, protected_namespaces=(), arbitrary_types_allowed=True)
    return create_model(getattr(factory, "__name__", "Settings"), __config__=config, **fields)


def validate(model: type[BaseModel], values: Mapping[str, Any], *, owner: str, place: Place | None = None) -> dict[str, Any]:
    """Settings as given -> settings as the factory takes them, defaults filled in.

    `owner` names whose settings they are ("generator 'dcgan'"), `place` where a key was written.
    Raises SettingsError with every fault.
    """
    from pydantic import ValidationError

    try:
        checked = model.model_validate(_snake(values))
    except ValidationError as error:
        raise SettingsError(_faults(model, error, owner, place), at=owner, fix=_fix(owner)) from None
    return {name: getattr(checked, name) for name in model.model_fields}


def plain(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Checked settings -> plain values for a YAML file."""
    return model.model_construct(**values).model_dump(mode="json")


def describe(model: type[BaseModel]) -> list[Setting]:
    """The settings of a model, in the order of the signature."""
    return [
        Setting(
            name=name,
            type=_type_text(field.annotation),
            default="" if field.is_required() else _text(field.get_default(call_default_factory=True)),
            help=field.description or _help(field.annotation),
            required=field.is_required(),
            choices=tuple(_choices(field.annotation)),
        )
        for name, field in model.model_fields.items()
    ]


# --- from a signature to a model --------------------------------------------------------------------------------------


def _parameters(factory: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError) as error:
        what = f"a factory must be a callable with a signature: {error}"
        raise ContractError(what, at=repr(factory), fix="name a class or a Python function") from error


def _refuse_unfit(factory: Callable[..., Any], parameter: inspect.Parameter) -> None:
    owner = f"{factory.__module__}:{getattr(factory, '__qualname__', factory)}"
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise ContractError(
            f"the parameter '{parameter}' of {owner} cannot be a setting",
            at=owner,
            fix="name every setting in the signature",
        )
    if parameter.name in RESERVED or parameter.name.startswith(("_", "model_")):
        raise ContractError(
            f"a setting of {owner} cannot be named '{parameter.name}'", at=owner, fix="give the parameter another name"
        )


def _annotation(factory: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        has_type = parameter.default is not parameter.empty and parameter.default is not None
        return type(parameter.default) if has_type else Any
    if not isinstance(annotation, str):
        return annotation
    owners = factory.__mro__ if isinstance(factory, type) else (inspect.unwrap(factory),)
    names: dict[str, Any] = {}
    for owner in reversed(owners):
        names |= vars(sys.modules[owner.__module__])
    try:
        return eval(annotation, names)
    except Exception as error:
        where = f"{factory.__module__}:{getattr(factory, '__qualname__', factory)}"
        raise ContractError(
            f"the type '{annotation}' of the setting '{parameter.name}' cannot be resolved: {error}",
            at=where,
            fix="import the type outside 'if TYPE_CHECKING'",
        ) from error


def _default(factory: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    from pydantic import Field

    if parameter.default is parameter.empty:
        return ...
    if dataclasses.is_dataclass(factory):
        for field in dataclasses.fields(factory):
            if field.name == parameter.name and field.default_factory is not dataclasses.MISSING:
                return Field(default_factory=field.default_factory)
    return parameter.default


def _leaves(annotation: Any) -> set[Any]:
    """The plain types inside an annotation: float | tuple[int, ...] -> {float, tuple, int}."""
    origin = get_origin(annotation)
    if origin is None:
        return {annotation}
    if origin is Annotated:
        return _leaves(get_args(annotation)[0])
    inner = [_leaves(argument) for argument in get_args(annotation) if argument is not ...]
    return set().union({origin} if isinstance(origin, type) else set(), *inner)


def _members(annotation: Any) -> set[Any]:
    """The types that a value may have at the top: float | tuple[int, ...] -> {float, tuple}."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return set().union(*(_members(argument) for argument in get_args(annotation)))
    return {origin or annotation}


def _reader(annotation: Any) -> Callable[[Any], Any]:
    """What happens to a value before its type is checked: text is read, True is not the number 1."""
    leaves = _leaves(annotation)
    takes_text = Any in leaves or any(isinstance(leaf, str) or _is_text(leaf) for leaf in leaves)
    takes_bool = bool(leaves & {bool, Any})
    takes_list = bool(leaves & {tuple, list})
    takes_one = takes_list and bool(leaves & {int, float}) and not _members(annotation) & {int, float}
    nothing = {"null", "~", "none"} - leaves if type(None) in leaves else set()
    inside = {name: reader for leaf in leaves if dataclasses.is_dataclass(leaf) for name, reader in _inside(leaf).items()}

    def read(value: Any) -> Any:
        if isinstance(value, str):
            said = yamltext.scalar(value)
            if value in nothing:
                value = None
            elif not takes_text or (takes_list and isinstance(said, list)):
                value = said
        if takes_list and isinstance(value, str) and (str not in _members(annotation)):
            value = value.split(",") if takes_text else [yamltext.scalar(part) for part in value.split(",")]
        elif takes_one and isinstance(value, int | float):
            value = [value]
        if inside and isinstance(value, Mapping):
            return {key: _read_inside(inside, key, item) for key, item in _snake(value).items()}
        if not takes_bool and _holds_bool(value):
            raise ValueError("must be a number and not a truth value")
        return value

    return read


def _is_text(leaf: Any) -> bool:
    return isinstance(leaf, type) and issubclass(leaf, str | PurePath)


def _inside(group: Any) -> dict[str, Callable[[Any], Any]]:
    """The readers of a setting that is a mapping, by the names of its dataclass."""
    return {parameter.name: _reader(_annotation(group, parameter)) for parameter in _parameters(group)}


def _read_inside(inside: Mapping[str, Callable[[Any], Any]], key: str, value: Any) -> Any:
    try:
        return inside[key](value) if key in inside else value
    except ValueError as error:
        raise ValueError(f"{key} {error}") from error


def _snake(values: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).replace("-", "_"): value for key, value in values.items()}


def _holds_bool(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds_bool(item) for item in value)
    return isinstance(value, bool)


# --- from pydantic's words to ours ------------------------------------------------------------------------------------


def _faults(model: type[BaseModel], error: Any, owner: str, place: Place | None) -> list[tuple[str, str]]:
    by_key: dict[str, list[Any]] = {}
    for fault in error.errors(include_url=False, include_context=False):
        by_key.setdefault(str(fault["loc"][0]), []).append(fault)
    told = []
    for key, faults in by_key.items():
        pointed = _to_the_point(faults)
        texts = dict.fromkeys(_in_our_words(model, fault, owner) for fault in pointed)
        near = next(filter(None, map(_nearest_choice, pointed)), "")
        told.append((place((key,)) if place else "", "; or ".join(texts) + (f".{near}" if near else "")))
    return told


def _nearest_choice(fault: Any) -> str:
    """Of the words that a literal takes, which pydantic lists in quotes, the one that was meant."""
    word = fault["input"]
    known = re.findall(r"'([^']*)'", fault["msg"]) if fault["type"] == "literal_error" else ()
    return did_you_mean(word, known) if isinstance(word, str) else ""


def _to_the_point(faults: list[Any]) -> list[Any]:
    """Of a value that fits no member of a union, the faults of the member that was meant."""
    if len(faults) == 1:
        return faults
    inside = [fault for fault in faults if len(fault["loc"]) > 2]  # a mapping was given, and some of its keys are wrong
    inside = inside or [fault for fault in faults if fault["type"] == "value_error"]  # its keys are right, a value is not
    return inside or [fault for fault in faults if fault["type"] not in ("dataclass_type", "none_required")] or faults


_WORDS = {  # pydantic's words, ours
    r"^Value error, ": "",
    r", (unable|got|not|exceeded) [^,]*$": "",
    r" after validation": "",
    r"^Input should be a (valid )?dictionary or an instance of ": "must be a ",
    r"^(Input should be a valid|Unable to parse input string as an) integer": "must be an integer",
    r"^Input should be a valid boolean": "must be true or false",
    r"^Input should be a valid ": "must be a ",
    r"^Input is not a valid path.*": "must be a path",
    r"^(Input|Tuple|List|String|Value) should ": "must ",
}


def _in_our_words(model: type[BaseModel], fault: Any, owner: str) -> str:
    key, *inner = fault["loc"]
    known = list(model.model_fields)
    if fault["type"] == "extra_forbidden" and not inner:
        return f"{owner} has no setting '{key}'.{did_you_mean(key, known)} Known: {', '.join(known) or 'none'}"
    inside = _names_inside(model, key)
    name = ".".join([key, *(part for part in inner if part in inside)])
    if fault["type"] == "unexpected_keyword_argument":
        return f"{key} has no setting '{inner[-1]}'.{did_you_mean(inner[-1], inside)} Known: {', '.join(inside)}"
    if fault["type"] in ("missing", "missing_argument"):
        return f"{'.'.join([key, *(str(part) for part in inner[-1:])])} is missing"
    message = fault["msg"]
    if fault["type"] == "value_error" and not message.startswith("Value error, must "):
        return f"{name}: {message.removeprefix('Value error, ')}"  # it says itself what it got
    for theirs, ours in _WORDS.items():
        message = re.sub(theirs, ours, message)
    return f"{name} {message}, got {_text(fault['input'])}"


def _names_inside(model: type[BaseModel], key: str) -> list[str]:
    """The names in a setting that may be a mapping: those of its dataclass."""
    leaves = _leaves(model.model_fields[key].annotation)
    return [parameter.name for leaf in leaves if dataclasses.is_dataclass(leaf) for parameter in _parameters(cast("Any", leaf))]


def _fix(owner: str) -> str:
    return f"ganreg show {owner.replace(chr(39), '')}" if "'" in owner else "ganreg train --help"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    text = str(value) if isinstance(value, int | float) else repr(str(value) if isinstance(value, PurePath) else value)
    return text if len(text) <= 80 else text[:77] + "…"


def _help(annotation: Any) -> str:
    """The description inside a union's member: Annotated[int, Field(description=…)] | None."""
    if get_origin(annotation) is not Annotated:
        return next(filter(None, map(_help, get_args(annotation))), "")
    inner, *told = get_args(annotation)
    return next((one.description for one in told if getattr(one, "description", None)), "") or _help(inner)


def _choices(annotation: Any) -> list[str]:
    """The words of a literal, a truth value or none; nothing for what is open, such as a number."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _choices(get_args(annotation)[0])
    if origin is Literal:
        return [str(argument) for argument in get_args(annotation)]
    if annotation in (bool, type(None)):
        return ["true", "false"] if annotation is bool else ["none"]
    members = get_args(annotation) if origin in (Union, UnionType) else ()
    return [choice for member in members for choice in _choices(member)]


def _type_text(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _type_text(get_args(annotation)[0])
    if origin is None:
        return "none" if annotation is type(None) else getattr(annotation, "__name__", str(annotation))
    arguments = get_args(annotation)
    name = getattr(origin, "__name__", str(origin))
    if name in ("Union", "UnionType"):
        return " | ".join(_type_text(argument) for argument in arguments)
    if name == "Literal":
        return " | ".join(str(argument) for argument in arguments)
    return f"{name}[{', '.join('…' if argument is ... else _type_text(argument) for argument in arguments)}]"
