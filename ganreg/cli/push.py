"""`ganreg push`: publish a trained generator, after what would be sent was told and agreed to."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ganreg.cli import output, runs
from ganreg.cli.export import FORMATS, check_license
from ganreg.cli.session import session_of, with_shared_options
from ganreg.cli.words import Choice
from ganreg.errors import UsageError

if TYPE_CHECKING:
    from ganreg.sharing.card import Format
    from ganreg.sharing.hub import Place


@with_shared_options
@click.command()
@click.argument("run", type=runs.RunPath())
@click.argument("repository", metavar="USER/NAME")
@click.option("--format", "form", type=Choice(FORMATS), help="of the generator  [safetensors]")
@click.option("--checkpoint", "step", type=click.IntRange(0), metavar="STEP", help="of this step  [the newest whole one]")
@click.option("--license", "license_", metavar="ID", help="under which you publish it, e.g. cc-by-4.0  [none is named]")
@click.option("--private", is_flag=True, help="a new repository is for you alone  [public]")
@click.option("--yes", is_flag=True, help="do not ask, for scripts")
@click.option("--dry-run", is_flag=True, help="tell what would be sent, and send nothing")
@click.pass_context
def push(
    context: click.Context,
    run: str,
    repository: str,
    form: str | None,
    step: int | None,
    license_: str | None,
    private: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Publish a trained generator on the hub.

    RUN is a run's directory, latest, or a folder that was exported.  Files, sizes, repository and visibility are shown first,
    and nothing is sent before you agree.  Log in with the hub's own tool: hf auth login.
    """
    session_of(context).registry()
    check_license(license_)
    directory = runs.find(run)
    from ganreg.sharing import hub

    hub.check_repository(repository, fix=f"ganreg push {run} user/name")
    files = _files(directory, repository, form, step, license_)
    _tell(files, repository)
    if dry_run:
        output.say("nothing was sent")
        return
    place = hub.look(repository, files)
    _check_visibility(place, private=private)
    _tell_place(place, private=private)
    if not yes and not _agreed():
        output.say("nothing was sent")
        return
    output.say(hub.send(place, files, private=private, message="Add a generator, exported by ganreg"))


def _files(directory: Path, repository: str, form: str | None, step: int | None, license_: str | None) -> Mapping[str, bytes]:
    """Of a run, made now; of an exported folder, as they are.  Raises UsageError, CheckpointError, ExportError."""
    from ganreg.assembly import exported
    from ganreg.assembly.load import load_trained
    from ganreg.sharing import folder, origin, placing

    if not exported.is_export(directory):
        trained = load_trained(origin.at_step(directory, step))
        made = folder.export(trained, cast("Format", form or "safetensors"), license=license_, repository=repository)
        return folder.with_manifest(made.files)
    if form or step is not None or license_:
        raise UsageError(
            "an exported folder is sent as it is: --format, --checkpoint and --license are said when it is exported",
            at=str(directory),
            fix="ganreg export it with them, then push",
        )
    names = exported.manifest(directory)
    files = {name: exported.verified(directory, name) for name in names}
    card = directory / placing.CARD
    return folder.with_manifest({**files, placing.CARD: card.read_bytes()} if card.is_file() else files)


def _tell(files: Mapping[str, bytes], repository: str) -> None:
    from ganreg.sharing import hub

    output.say(f"to {hub.endpoint()}/{repository}:")
    rows = [(name, f"{len(content):,}") for name, content in sorted(files.items())]
    output.table(("file", "bytes"), [*rows, ("all", f"{sum(map(len, files.values())):,}")])


def _tell_place(place: Place, *, private: bool) -> None:
    is_private = private if place.private is None else place.private
    visible = "you alone see it" if is_private else "everybody sees it"
    new = "a new repository" if place.private is None else "a repository that is there"
    output.say(f"{new}; {visible}; you are {place.user}")
    for name in place.stale:
        output.say(f"{name}, of another format, will be removed there")


def _check_visibility(place: Place, *, private: bool) -> None:
    if private and place.private is False:
        raise UsageError(
            "the repository is there and public", at="--private", fix="make it private on the hub, or take another name"
        )


def _agreed() -> bool:
    """Ask.  Raises UsageError where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise UsageError("there is nobody to ask whether to send this", at="ganreg push", fix="add --yes")
    return click.confirm("Send it?", default=False)
