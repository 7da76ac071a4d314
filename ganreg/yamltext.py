"""YAML as configuration files mean it: 2e-4 is a number, off is a word, a key stands once.

The safe loader with YAML 1.2's scalars, because PyYAML's own 1.1 rules read `2e-4` as text, `no` as False, `1:30` as 90 and
`010` as 8, and let a repeated key win in silence.  Size, depth and aliases are bounded, so that no file can stall a start.
Every key's place is kept: an error about a setting names its line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ganreg.errors import ConfigFileError, ConfigSyntaxError

MAX_BYTES = 64 * 1024  # a configuration is a few kilobytes; pure-Python parsing of this much takes about half a second
MAX_DEPTH = 32

KeyPath = tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """A parsed mapping, and where each of its keys stands: line and column, or an option of the command line."""

    values: dict[str, Any]
    source: str = ""
    lines: Mapping[KeyPath, tuple[int, int] | str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """ "run.yaml:3:5" or "--keep" for the key at this path, or the nearest key above it; else the source alone."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                where = self.lines[path[:end]]
                return where if isinstance(where, str) else f"{self.source}:{where[0]}:{where[1]}"
        return self.source


class _Loader(yaml.SafeLoader):
    """SafeLoader with bounded depth, no aliases and no tags."""

    depth = 0
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (the base class's own name; filled below)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=self._mark())
        tag = getattr(self.peek_event(), "tag", None)  # type: ignore[no-untyped-call]
        if tag is not None:
            raise yaml.MarkedYAMLError(problem=f"tags are not allowed, got '{tag}'", problem_mark=self._mark())
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=self._mark())
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _mark(self) -> Any:
        return self.peek_event().start_mark  # type: ignore[no-untyped-call]


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first))


_resolve("bool", "true|True|TRUE|false|False|FALSE", "tTfF")
_resolve("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789")
_resolve(
    "float",
    r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "-+.0123456789",
)
_resolve("null", "~|null|Null|NULL|", "~nN")
_Loader.yaml_implicit_resolvers.setdefault("", []).append(("tag:yaml.org,2002:null", re.compile("^$")))


def _float(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor("tag:yaml.org,2002:float", _float)


def scalar(text: str) -> Any:
    """The value that this text has in a configuration: "2e-4" -> 0.0002, "[0, 0.9]" -> [0, 0.9], "digits" -> "digits"."""
    try:
        return _parse(text, "")[0]
    except ConfigSyntaxError:
        return text


def parse(text: str, source: str = "configuration") -> Document:
    """Text -> mapping.  Raises ConfigSyntaxError with line and column."""
    values, node = _parse(text, source)
    if not isinstance(node, yaml.MappingNode):
        kind = "nothing" if values is None else type(values).__name__
        raise ConfigSyntaxError(
            f"expected a mapping of settings, got {kind}", at=source, fix="write lines such as 'batch_size: 64'"
        )
    lines: dict[KeyPath, tuple[int, int]] = {}
    _locate(node, (), lines)
    return Document(values, source, lines)


def read(path: Path) -> Document:
    """A file -> mapping.  Raises ConfigFileError when it cannot be opened, ConfigSyntaxError when it cannot be read."""
    try:
        if not path.is_file():
            what = "is a directory" if path.is_dir() else "is not a file" if path.exists() else "does not exist"
            raise ConfigFileError(f"the configuration file {what}", at=str(path), fix="give the path of a YAML file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigFileError(
            f"the configuration file cannot be opened: {error.strerror}", at=str(path), fix="give a readable YAML file"
        ) from error
    if len(data) > MAX_BYTES:
        raise ConfigSyntaxError(
            f"the file is larger than {MAX_BYTES // 1024} KiB", at=str(path), fix="give a configuration, not data"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigSyntaxError(
            f"the file is not UTF-8 text (byte {error.start})", at=str(path), fix="save it as UTF-8"
        ) from error
    return parse(text, str(path))


def dump(values: Mapping[str, Any]) -> str:
    """A mapping of plain values -> text that `parse` reads back to the same values.

    No mapping in it may have two keys that differ in '-' and '_' alone.
    """
    return yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """SafeDumper that writes short lists of numbers on one line and floats as YAML 1.2 reads them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_float(dumper: _Dumper, value: float) -> yaml.Node:
    text = repr(value)
    words = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}
    return dumper.represent_scalar("tag:yaml.org,2002:float", words.get(text, text))


def _represent_list(dumper: _Dumper, values: list[Any]) -> yaml.Node:
    plain = all(isinstance(value, str | int | float) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=plain)


def _represent_str(dumper: _Dumper, value: str) -> yaml.Node:
    breaks = any(mark in value for mark in "\x85\u2028\u2029")  # line ends to YAML 1.1, which plain style loses
    needs_quotes = breaks or (bool(value) and not isinstance(scalar(value), str))
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if needs_quotes else None)


_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(str, _represent_str)
# The dumper decides by its own resolvers whether plain text needs quotes; give it the loader's.
_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def _parse(text: str, source: str) -> tuple[Any, yaml.Node | None]:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, None
        _refuse_odd_keys(node)
        return loader.construct_document(node), node
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        if "'\\t'" in str(error.problem):
            raise ConfigSyntaxError("a tab, where YAML takes spaces alone", at=place, fix="indent by two spaces") from error
        raise ConfigSyntaxError(str(error.problem), at=place, fix="write plain YAML: 'key: value' lines") from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = f"{source}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
        raise ConfigSyntaxError(
            f"unreadable character {text[error.position]!a}", at=place, fix="write plain YAML: 'key: value' lines"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigSyntaxError(
            f"unreadable YAML: {str(error).splitlines()[0]}", at=source, fix="write plain YAML: 'key: value' lines"
        ) from error
    except ValueError as error:  # a number too long for Python, a date out of range
        raise ConfigSyntaxError(str(error), at=source, fix="write plain YAML: 'key: value' lines") from error


def _refuse_odd_keys(node: yaml.Node) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_odd_keys(item)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.MarkedYAMLError(problem="a key must be a word", problem_mark=key.start_mark)
            word = key.value.replace("-", "_")  # one key, in either spelling
            if word in seen:
                problem = f"the key '{key.value}' stands twice (first in line {seen[word]})"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen[word] = key.start_mark.line + 1
            _refuse_odd_keys(value)


def _locate(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, tuple[int, int]]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, key.value)
            lines[here] = (key.start_mark.line + 1, key.start_mark.column + 1)
            _locate(value, here, lines)
    if isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            here = (*path, str(index))
            lines[here] = (value.start_mark.line + 1, value.start_mark.column + 1)
            _locate(value, here, lines)
