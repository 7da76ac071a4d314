"""Options that say something about a run: each knows which key of the configuration it speaks for.

Values stay the strings that were typed: `assembly.config` reads and checks them with all others, so that every fault is told
at once.  `none` is nothing.  Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from ganreg import settings, yamltext
from ganreg.cli.data_path import reader_of
from ganreg.cli.paths import PathName, expanded
from ganreg.cli.session import session_of
from ganreg.contracts import PLURALS, Kind
from ganreg.engine.settings import RunSettings
from ganreg.errors import GanregError, UsageError
from ganreg.nn.ema_settings import EMASettings
from ganreg.settings import Setting
from ganreg.yamltext import Document, KeyPath

Word = tuple[KeyPath, Any, str]
"""A key's path, its value, and the option that said so."""

CHOOSING: dict[str, Kind] = {
    "generator": "generator",
    "discriminator": "discriminator",
    "loss": "loss",
    "dataset": "dataset",
    "augmentation": "augmentation",
    "optimizer": "optimizer",
    "generator_optimizer": "optimizer",
    "discriminator_optimizer": "optimizer",
    "extractor": "extractor",
}
"""Keys of a configuration that are options taking a component's name."""

LISTED: dict[Kind, str] = {
    "regularizer": "a penalty on one network; repeats",
    "tracker": "where the run is shown, too; repeats",
    "metric": "measured every --metric-every steps, the first names the best checkpoint; repeats",
}
"""Kinds of which a run may have several, each an option that repeats."""


class Option(click.Option):
    """An option under a heading of the help, that may speak for a key of the configuration."""

    def __init__(self, flags: Sequence[str], *, section: str, path: KeyPath = (), **settings: Any) -> None:
        super().__init__(flags, **settings)
        self.section = section
        self.path = path

    def words(self, value: Any) -> Iterable[Word]:
        """What this option says when it has this value."""
        if self.path:
            yield self.path, _plain(value), self.opts[0]


class SettingOption(Option):
    """One setting of a run or of a component."""

    def __init__(self, flag: str, path: KeyPath, setting: Setting, *, section: str, hidden: bool = False) -> None:
        shown = "" if setting.default in ("", "none") else f"  [{setting.default.strip(chr(39))}]"
        self.choices = setting.choices
        super().__init__(
            [flag, _identifier(flag.removeprefix("--"))],
            section=section,
            path=path,
            metavar=setting.type.replace(" ", ""),
            help=(setting.help + shown).strip() or " ",
            hidden=hidden,
            **({"is_flag": False, "flag_value": "true"} if setting.choices == ("true", "false") else {}),
        )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The words of a literal or a truth value."""
        return [CompletionItem(choice) for choice in self.choices if choice.startswith(incomplete)]


class NameOption(Option):
    """Chooses a component by name."""

    def __init__(self, key: str, kind: Kind, help: str, **settings: Any) -> None:
        super().__init__([flag_of((key,))], section="Parts", path=(key, "name"), metavar="NAME", help=help, **settings)
        self.kind = kind

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of this kind, with their summaries."""
        return complete_names(ctx, self.kind, incomplete)


class ListOption(NameOption):
    """Chooses components of a kind of which there may be several, one each time."""

    def words(self, value: Any) -> Iterable[Word]:
        """All of them as one list, which replaces a recipe's."""
        names = [name for name in value if name != "none"]
        yield (PLURALS[self.kind],), names, self.opts[0]


class SetOption(Option):
    """KEY=VALUE for any key, the value as YAML has it."""

    def words(self, value: Any) -> Iterable[Word]:
        """One word for each setting, also inside a mapping.  Raises UsageError."""
        for said in value:
            key, equals, text = said.partition("=")
            if not equals or not all(key.split(".")):
                raise UsageError(f"expected KEY=VALUE, got '{said}'", at="--set", fix="--set optimizer.lr=1e-4")
            path = tuple(key.split("."))
            names = path[1:2] if path[0] in LISTED else ()  # written as they are
            path = tuple(part if part in names else part.replace("-", "_") for part in path)
            yield from _leaves(path, yamltext.scalar(text), f"--set {key}")


class DataOption(Option):
    """A path to data of whatever form."""

    def words(self, value: Any) -> Iterable[Word]:
        """The data set that reads what lies there, with this path.  Raises UsageError where none does."""
        path = expanded(value).absolute()  # so that it is found from anywhere
        yield ("dataset", "name"), reader_of(path, at="--data"), "--data"
        yield ("dataset", "path"), str(path), "--data"


class RecipeOption(Option):
    """A recipe by name."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Known recipes."""
        return complete_recipes(ctx, incomplete)


def run_options() -> list[Option]:
    """Options for every setting of a run, and for those of its moving average."""
    options: list[Option] = []
    for setting in settings.describe(settings.model_of(RunSettings)):
        if setting.name != "ema":
            options.append(SettingOption(flag_of((setting.name,)), (setting.name,), setting, section="Run"))
            continue
        none = Setting("ema", "none", "", "no moving average of G's weights", False, ("none",))
        options.append(SettingOption("--ema", ("ema",), none, section="Run"))
        options += component_options("ema", settings.describe(settings.model_of(EMASettings)), section="Run")
    return options


def choosing_options() -> list[Option]:
    """Options that choose components."""
    helps = {
        "dataset": "what to imitate",
        "optimizer": "the optimizer of both networks",
        "generator_optimizer": "G's optimizer alone",
        "discriminator_optimizer": "D's optimizer alone",
        "augmentation": "applied to reals and fakes before D sees them",
        "discriminator": "the network that judges; the generator's namesake where there is one",
        "generator": "the network that makes samples",
        "loss": "what both players want",
        "extractor": "the features that metrics compare  [those that suit the data]",
    }
    named: list[Option] = [NameOption(key, kind, helps[key]) for key, kind in CHOOSING.items()]
    return [*named, *(ListOption(kind, kind, told, multiple=True) for kind, told in LISTED.items())]


def configuration_options() -> list[Option]:
    """Options that bring settings of any kind."""
    resolution = Setting("resolution", "int", "", "height and width of the data's pictures", False)
    return [
        RecipeOption(
            ["--recipe"], section="Configuration", path=("recipe",), metavar="NAME", help="named settings of a whole run"
        ),
        Option(
            ["-c", "--config"],
            section="Configuration",
            metavar="FILE",
            type=PathName(),
            help="a YAML file; wins over a recipe, the command line wins over it",
        ),
        DataOption(
            ["--data"],
            section="Configuration",
            metavar="PATH",
            type=PathName(),
            help="a folder of pictures, or a file: .zip, .npz, .h5, .parquet; chooses the data set that reads it",
        ),
        SettingOption("--resolution", ("dataset", "resolution"), resolution, section="Configuration"),
        SetOption(
            ["--set"], section="Configuration", multiple=True, metavar="KEY=VALUE", help="any setting by its key; repeats"
        ),
    ]


def component_options(
    key: str, described: Sequence[Setting], *, section: str, name: str = "", hidden: bool = False
) -> list[Option]:
    """Options for a component's settings: --generator.latent-dim, or with a name --regularizer.r1.weight."""
    where = (key, name) if name else (key,)
    front = f"{flag_of((key,))}.{name}" if name else flag_of((key,))  # a name is written as it is
    return [
        SettingOption(f"{front}.{one.name.replace('_', '-')}", (*where, one.name), one, section=section, hidden=hidden)
        for one in described
    ]


def flag_of(path: KeyPath) -> str:
    """("generator", "latent_dim") -> "--generator.latent-dim"."""
    return "--" + ".".join(part.replace("_", "-") for part in path)


def command_line(options: Iterable[Option], values: Mapping[str, Any]) -> Document:
    """What was typed, as a layer of the configuration.  Raises UsageError where two options contradict each other."""
    layer: dict[str, Any] = {}
    said: dict[KeyPath, str] = {}
    for option in options:
        value = values.get(option.name or "")
        if value is not None and value not in ((), []):
            for path, told, flag in option.words(value):
                _put(layer, said, path, told, flag)
    lines = {path[:1]: flag for path, flag in said.items()} | said  # a fault of the whole is told at one of its parts
    return Document(layer, "the command line", lines)


def complete_names(ctx: click.Context, kind: Kind, incomplete: str) -> list[CompletionItem]:
    """Names of components that begin so; nothing while plugins are at odds."""
    try:
        records = [offer.record for offer in session_of(ctx).registry().components(kind)]
    except GanregError:
        return []
    return [CompletionItem(one.name, help=one.summary) for one in records if one.name.startswith(incomplete)]


def complete_recipes(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Names of recipes that begin so."""
    records = [offer.record for offer in session_of(ctx).registry().recipes()]
    return [CompletionItem(one.name, help=one.summary) for one in records if one.name.startswith(incomplete)]


def _put(layer: dict[str, Any], said: dict[KeyPath, str], path: KeyPath, value: Any, flag: str) -> None:
    if len(path) == 1 and path[0] in CHOOSING:
        path = (*path, "name")  # --set loss=hinge
    for other, earlier in said.items():
        shorter = min(len(other), len(path))
        agree = other == path and (earlier == flag or _at(layer, other) == value)
        if other[:shorter] == path[:shorter] and not agree:
            raise UsageError(
                f"{earlier} and {flag} both say what '{'.'.join(path[:shorter])}' is", at=flag, fix="leave out one of them"
            )
    inside = layer
    for key in path[:-1]:
        inside = inside.setdefault(key, {})
    inside[path[-1]] = value
    said[path] = flag


def _at(layer: Mapping[str, Any], path: KeyPath) -> Any:
    value: Any = layer
    for key in path:
        value = value[key]
    return value


def _leaves(path: KeyPath, value: Any, flag: str) -> Iterator[Word]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves((*path, key.replace("-", "_")), inner, flag)
    else:
        yield path, value, flag


def _plain(value: Any) -> Any:
    return None if value == "none" else value


def _identifier(text: str) -> str:
    """A Python name for click that no other option has: what is no letter or digit is spelt by its number."""
    return "".join(char if char.isalnum() else "_" if char == "_" else f"_{ord(char)}_" for char in text)
