"""`ganreg plugins new`: a complete package to start from, copied from `ganreg/templates/plugin` under another name."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from ganreg.cli import output
from ganreg.cli.paths import expanded
from ganreg.cli.session import session_of, with_shared_options
from ganreg.cli.words import Choice
from ganreg.contracts import KINDS
from ganreg.errors import NameConflictError, StorageError, UsageError

TEMPLATE = Path(__file__).parents[1] / "templates" / "plugin"
PACKAGE = "ganreg_my_idea"
LONGEST = 60
OFFERED = tuple(kind for kind in KINDS if (TEMPLATE / PACKAGE / f"{kind}.py").is_file())
HIDDEN = {"gitignore": ".gitignore", "workflow.yml": ".github/workflows/tests.yml"}
"""Files of the template whose real names begin with a dot, or lie in a folder that does."""

RECORD = re.compile(r'^    yield ganreg\.Component\("(\w+)", .*\n', re.MULTILINE)


@with_shared_options
@click.command("new")
@click.argument("name")
@click.option("--kind", "kinds", multiple=True, type=Choice(OFFERED), help="a component to begin with; repeats [loss]")
@click.option("--out", metavar="FOLDER", help="where to write it [./ganreg-NAME]")
@click.pass_context
def new(context: click.Context, name: str, kinds: tuple[str, ...], out: str | None) -> None:
    """Write the package ganreg-NAME: entry point, a component for each kind, tests, README, CI.

    It installs, passes its tests and trains as it is.

    For example: ganreg plugins new my-idea --kind generator --kind loss
    """
    short = name.removeprefix("ganreg-")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", short) or len(short) > LONGEST:
        raise UsageError(
            f"a plugin's name has up to {LONGEST} lower case letters, digits and '-' between them, got '{name}'",
            at="NAME",
            fix="my-idea",
        )
    chosen = [kind for kind in KINDS if kind in (kinds or ("loss",))]
    _refuse_taken(context, short, chosen)
    folder = expanded(out or f"ganreg-{short}")
    _write(folder, short, chosen)
    output.say(f"{folder}: {', '.join(chosen)}")
    output.say(f"  cd {shlex.quote(str(folder))} && pip install -e '.[test]' && pytest")
    output.say(f"  ganreg train {usage(short, chosen)}")


def usage(name: str, kinds: Sequence[str]) -> str:
    """The options that train with every part of it; points need networks for points."""
    flags = [f"--{kind} {name}" for kind in kinds]
    if "dataset" in kinds:
        flags += [f"--{network} mlp" for network in ("generator", "discriminator") if network not in kinds]
    return " ".join(flags)


def _refuse_taken(context: click.Context, name: str, kinds: Sequence[str]) -> None:
    registry = session_of(context).registry()
    for plugin in registry.plugins.plugins:
        if plugin.name == name:
            what = f"a plugin named '{name}' is there already: {plugin.origin}"
            raise NameConflictError(what, at="NAME", fix="choose another name")
    for offer in registry.components():
        if offer.record.name == name and offer.record.kind in kinds:
            raise NameConflictError(
                f"{offer.record.kind} '{name}' is offered by {offer.plugin.origin} already",
                at="NAME",
                fix="choose another name",
            )


def _write(folder: Path, name: str, kinds: Sequence[str]) -> None:
    """Whole or not at all.  Raises UsageError where something lies there, StorageError where it cannot be written."""
    if folder.exists():
        raise UsageError(f"{folder} exists already", at="--out", fix="remove it, or give another folder with --out")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".ganreg-new-", dir=folder.parent))
        try:
            for source in sorted(TEMPLATE.rglob("*")):
                if source.is_file() and source.suffix != ".pyc" and not _left_out(source, kinds):
                    path = unfinished / _named(_real_name(source.relative_to(TEMPLATE)), name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(_filled(source.read_text(encoding="utf-8"), name, kinds), encoding="utf-8")
            mask = os.umask(0)
            os.umask(mask)
            unfinished.chmod(0o777 & ~mask)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"the plugin cannot be written: {error}", at=str(folder), fix="give another folder with --out"
        ) from error


def _left_out(source: Path, kinds: Sequence[str]) -> bool:
    return source.stem in OFFERED and source.stem not in kinds


def _real_name(path: Path) -> str:
    return HIDDEN.get(path.as_posix(), path.as_posix())


def _filled(text: str, name: str, kinds: Sequence[str]) -> str:
    """The template's text for this name, with the records of these kinds."""
    kept = RECORD.sub(lambda found: found[0] if found[1] in kinds else "", text)
    return _named(kept.replace("USAGE", usage(name, kinds)), name)


def _named(text: str, name: str) -> str:
    words = name.split("-")
    names = {"my-idea": name, "my_idea": "_".join(words), "My idea": " ".join(words).capitalize()}
    return re.sub("|".join(names), lambda found: names[found[0]], text)
