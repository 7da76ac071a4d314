"""`ganreg export`: the averaged generator as weights, as a torch-export program, or as ONNX, with a card that describes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ganreg.cli import output, runs
from ganreg.cli.paths import PathName
from ganreg.cli.session import session_of, with_shared_options
from ganreg.cli.words import Choice
from ganreg.errors import UsageError

if TYPE_CHECKING:
    from ganreg.sharing.card import Format
    from ganreg.sharing.folder import Export

FORMATS = ("safetensors", "torch-export", "onnx")
LICENSE = r"[a-z0-9][a-z0-9.+-]*"


@with_shared_options
@click.command()
@click.argument("run", type=runs.RunPath())
@click.option("--format", "form", type=Choice(FORMATS), help="of the generator  [as --out ends, else safetensors]")
@click.option(
    "--out",
    type=PathName(path_type=Path),
    metavar="DIR|FILE",
    help="a folder, or the generator's file alone where it ends so  [RUN/export/FORMAT]",
)
@click.option(
    "--batch-max", type=click.IntRange(2, 2**20), default=4096, show_default=True, help="largest batch a torch-export takes"
)
@click.option("--checkpoint", "step", type=click.IntRange(0), metavar="STEP", help="of this step  [the newest whole one]")
@click.option("--license", "license_", metavar="ID", help="under which you publish it, e.g. cc-by-4.0  [none is named]")
@click.option("--force", is_flag=True, help="replace the export that --out names")
@click.pass_context
def export(
    context: click.Context,
    run: str,
    form: str | None,
    out: Path | None,
    batch_max: int,
    step: int | None,
    license_: str | None,
    force: bool,
) -> None:
    """Write a trained generator in a form that others use.

    RUN is a run's directory, latest, or a folder that was exported or pulled.  The weights are the averaged ones.  A graph
    (torch-export, onnx) is read again and compared with the generator before it is written.
    """
    session_of(context).registry()
    check_license(license_)
    chosen = chosen_format(form, out)
    directory = runs.find(run)
    from ganreg.assembly import exported
    from ganreg.assembly.load import load_trained
    from ganreg.sharing import folder, origin

    target = out or (directory.with_name(f"{directory.name}-{chosen}") if exported.is_export(directory) else None)
    if target is not None:
        folder.check_target(target, chosen, force=force)
    trained = load_trained(origin.at_step(directory, step))
    target = target or trained.path.parents[1] / "export" / chosen
    folder.check_target(target, chosen, force=force)
    made = folder.export(trained, chosen, batch_max=batch_max, license=license_)
    folder.write(made, target, force=force)
    output.say(told(made, target))


def chosen_format(form: str | None, out: Path | None) -> Format:
    """What was asked for, or what the ending of --out says.  Raises UsageError where the two are not the same."""
    from ganreg.sharing.folder import ENDINGS

    said = next((one for one, ending in ENDINGS.items() if out is not None and out.suffix.lower() == ending), None)
    if form is not None and said is not None and form != said:
        raise UsageError(f"--out ends in '{ENDINGS[said]}', which is {said}", at="--format", fix=f"--format {said}")
    return cast("Format", form or said or "safetensors")


def told(made: Export, target: Path) -> str:
    """One line: what, from which step, how exact, where."""
    exact = f", within {made.difference:.1e} of torch" if made.difference is not None else ""
    return f"{made.form} of step {made.about.step:,}, {len(made.files[made.main]):,} bytes{exact}: {target}"


def check_license(license_: str | None) -> None:
    """Whether it is an identifier as hubs know them.  Raises UsageError."""
    import re

    if license_ is not None and not re.fullmatch(LICENSE, license_):
        raise UsageError(
            f"a license is an identifier of small letters, digits and '-', got {license_!r}",
            at="--license",
            fix="--license cc-by-4.0, or apache-2.0, mit, other",
        )
