"""A verb that takes a whole configuration as options, those of the chosen components included.

Two phases.  The first reads only the words that choose: names, recipe, file, plugins.  The second knows which components are
meant, and `get_params` has their options: parser, help, suggestions and completion all ask it, so all of them work, for parts
of plugins, too.  Components are imported (and torch with them) only where one of their options is typed or asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganreg import settings, yamltext
from ganreg.cli import option_cache, runs
from ganreg.cli.options import (
    Option,
    choosing_options,
    command_line,
    component_options,
    configuration_options,
    run_options,
)
from ganreg.cli.paths import NewPath
from ganreg.cli.session import Session, session_of, shared_options
from ganreg.errors import CheckpointError, GanregError, UsageError
from ganreg.settings import Setting
from ganreg.yamltext import Document

if TYPE_CHECKING:
    from ganreg.assembly.config import Config

CHOSEN = "ganreg.cli.configured.chosen"
WITH_RESUME = frozenset({"resume", "steps", "dry_run", "quiet", "allow_change", "steal_lock", "nproc"})
HINT = "Options of the parts themselves: {command} --generator NAME --help, and so for every kind."
DEFAULTS_HINT = "Values in brackets are the parts' own; a recipe or a file may set others: ganreg config show"


@dataclass
class Asked:
    """What was asked for on the command line, ready to be resolved."""

    session: Session
    layers: Sequence[Document]
    values: Mapping[str, Any]
    resume: Path | None = None

    def resolve(self) -> Config:
        """The checked configuration.  Raises SettingsError with every fault, UnknownNameError and its kin."""
        from ganreg.assembly.config import resolve

        return resolve(self.layers, self.session.registry())


class Configured(click.Command):
    """A command whose callback gets an `Asked`."""

    def __init__(self, name: str, act: Callable[[Asked], None], help: str) -> None:
        own = [*choosing_options(), *configuration_options(), *run_options(), *output_options()]
        super().__init__(
            name,
            params=[*own, *shared_options()],
            help=help,
            callback=click.pass_context(lambda context, **values: act(_asked(context, values))),
            context_settings={"max_content_width": 110},
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """First which components are meant, then everything.  Raises GanregError for names that nobody has."""
        ctx.meta[CHOSEN] = []
        parser = self.make_parser(ctx)
        parser.ignore_unknown_options = True
        said, rest, _ = parser.parse_args(list(args))
        session_of(ctx).use(files=tuple(said.get("plugin", ())), blocked=tuple(said.get("no_plugin", ())))
        strange = [word.partition("=")[0] for word in rest if word.startswith("--")]
        if "resume" in said:
            _refuse_beside_resume(self._flags(ctx, said), strange)
        elif ctx.resilient_parsing:
            ctx.meta[CHOSEN] = _remembered_options(ctx, said)
        elif any("." in word for word in strange) or (self._helps(ctx) in said and _chooses(said)):
            ctx.meta[CHOSEN] = _options_of_chosen(session_of(ctx), _layers(self.params, said))
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The options of the chosen components with the command's own."""
        return [*super().get_params(ctx), *ctx.meta.get(CHOSEN, [])]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Under headings."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(param, "section", "Other"), []).append(record)
        sections["Other"] = sections.pop("Other")  # last
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Where more is told."""
        formatter.write_paragraph()
        formatter.write_text(DEFAULTS_HINT if ctx.meta.get(CHOSEN) else HINT.format(command=ctx.command_path))

    def _helps(self, ctx: click.Context) -> str | None:
        """The name under which click keeps --help."""
        option = self.get_help_option(ctx)
        return option.name if option is not None else None

    def _flags(self, ctx: click.Context, said: Mapping[str, Any]) -> list[str]:
        """Options that speak for the run and were typed, but for those that go with --resume."""
        typed = [one for one in self.params if isinstance(one, Option) and one.name in said]
        return [one.opts[-1] for one in typed if one.name not in WITH_RESUME]


def output_options() -> list[Option]:
    """Where a run is written and how loudly."""
    resume = Option(
        ["--resume"],
        section="Output",
        metavar="RUN|latest",
        type=runs.RunPath(),
        help="go on with a run; --steps may be more",
    )
    return [
        Option(["--out"], section="Output", metavar="DIR", type=NewPath(), help="the run's directory  [runs/NNNN]"),
        resume,
        Option(
            ["--allow-change"],
            section="Output",
            metavar="KEY",
            multiple=True,
            help="with --resume: a setting that was changed in the run's config.yaml, or data; repeats",
        ),
        Option(
            ["--steal-lock"],
            section="Output",
            is_flag=True,
            help="with --resume: of a run that a process on another machine left without a word",
        ),
        Option(
            ["--nproc"],
            section="Output",
            metavar="N",
            type=click.IntRange(1, 1024),
            help="train in N processes on this machine, one for each card; several machines: torchrun",
        ),
        Option(["--dry-run"], section="Output", is_flag=True, help="check everything, data included; write nothing"),
        Option(["--quiet"], section="Output", is_flag=True, help="print the run's directory at the end, and errors"),
    ]


def _asked(ctx: click.Context, values: Mapping[str, Any]) -> Asked:
    command = ctx.command
    options = [one for one in command.get_params(ctx) if isinstance(one, Option)]
    if values["resume"] is None:
        return Asked(session_of(ctx), _layers(options, values), values)
    run = runs.find(values["resume"])
    if not run.is_dir():
        raise CheckpointError("the run directory does not exist", at=str(run), fix="give the path of a run, e.g. runs/0001")
    from ganreg.assembly.versions import check_offered, made_with

    check_offered(made_with(run), session_of(ctx).registry())
    stored = yamltext.read(run / "config.yaml")
    return Asked(session_of(ctx), [stored, command_line(options, values)], values, run)


def _layers(options: Sequence[click.Parameter], values: Mapping[str, Any]) -> list[Document]:
    typed = command_line([one for one in options if isinstance(one, Option)], values)
    return [yamltext.read(Path(values["config"])), typed] if values.get("config") else [typed]


def _chooses(said: Mapping[str, Any]) -> bool:
    """Whether some word named a component, or something that may."""
    return any(isinstance(one, Option) and one.name in said for one in (*choosing_options(), *configuration_options()))


def _refuse_beside_resume(flags: Sequence[str], strange: Sequence[str]) -> None:
    flags = [*flags, *(word for word in strange if "." in word)]
    if flags:
        raise UsageError(
            f"--resume takes everything from the run but --steps; {', '.join(flags)} cannot be changed",
            at=flags[0],
            fix=f"leave out {flags[0]}, or start a new run with -c RUN/config.yaml",
        )


def _options_of_chosen(session: Session, layers: Sequence[Document]) -> list[Option]:
    """The options of every component that the layers choose."""
    from ganreg.assembly.config import SEVERAL, SINGLE, chosen_names

    registry = session.registry()
    names = chosen_names(layers, registry)
    options: list[Option] = []
    optimizers: list[list[Setting]] = []
    shared = names["generator_optimizer"] == names["discriminator_optimizer"]
    for key, several in names.items():
        kind = SINGLE.get(key) or SEVERAL[key]
        for name in several:
            part = registry.part(kind, name, at=f"--{key}")
            described = settings.describe(part.model)
            option_cache.remember(part.component, described)
            section = f"{kind if key in SEVERAL else key.replace('_', ' ')} {name}"
            where = {"key": kind, "name": name} if key in SEVERAL else {"key": key}
            both = kind == "optimizer" and shared  # told once, under --optimizer
            options += component_options(**where, described=described, section=section, hidden=both)
            if kind == "optimizer":
                optimizers.append(described)
    return options + _options_of_both(optimizers, names["generator_optimizer"] if shared else [])


def _options_of_both(optimizers: Sequence[Sequence[Setting]], name: Sequence[str]) -> list[Option]:
    """--optimizer.SETTING for what the optimizers of both networks have."""
    first, *others = optimizers or [[]]
    common = [one for one in first if all(one.name in {other.name for other in several} for several in others)]
    one = "--generator-optimizer.… and --discriminator-optimizer.… for one"
    section = f"optimizer {name[0]}, of both networks; {one}" if name else "both optimizers"
    return component_options("optimizer", common, section=section)


def _remembered_options(ctx: click.Context, said: Mapping[str, Any]) -> list[Option]:
    """For completion: options of components named on the command line, where they are known without importing any."""
    from ganreg.cli.options import CHOOSING, LISTED

    options: list[Option] = []
    try:
        registry = session_of(ctx).registry()
        chosen = [(key, kind, said[key], "") for key, kind in CHOOSING.items() if key in said]
        chosen += [(kind, kind, name, name) for kind in LISTED for name in said.get(kind, ())]
        for key, kind, name, inner in chosen:
            records = [o.record for o in registry.components(kind) if o.record.name == name]
            for described in map(option_cache.recall, records[:1]):
                options += component_options(key, described, section=key, name=inner)
    except GanregError:  # TAB is no place for an error
        return []
    return options
