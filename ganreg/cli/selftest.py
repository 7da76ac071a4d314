"""`ganreg selftest`: the promises about crashes, tried on this machine and this disk."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

from ganreg.cli import output
from ganreg.cli.group import Verbs
from ganreg.cli.paths import PathName
from ganreg.cli.session import with_shared_options
from ganreg.errors import CheckpointError


@with_shared_options
@click.command("crash")
@click.option("--kills", type=click.IntRange(1, 1000), default=10, show_default=True, help="runs that are killed")
@click.option("--flips", type=click.IntRange(1, 10_000), default=200, show_default=True, help="bits that are flipped")
@click.option("--in", "place", type=PathName(file_okay=False, path_type=Path), default=Path(), help="on which disk: a folder")
@click.option("--seed", type=int, default=0, show_default=True, help="of the moments and the bits")
def crash(kills: int, flips: int, place: Path, seed: int) -> None:
    """Train a small run, kill it at random moments, flip bits, cut files, let the disk fail; go on and compare.

    Works in a folder of its own, which is removed if all went well.  Exits with 6 if a promise was broken.
    """
    from tempfile import mkdtemp

    from ganreg.assembly.selftest import trials

    if not place.is_dir():
        raise click.BadParameter(f"'{place}' is no folder", param_hint="--in")
    folder = Path(mkdtemp(prefix="ganreg-selftest-", dir=place))
    rows = []
    for trial in trials(folder, kills=kills, flips=flips, seed=seed, python=sys.executable):
        output.complain(f"{trial.name}: {trial.told}")
        rows.append(trial)
    output.table(
        ["trial", "verdict", "what was seen"], [[row.name, "kept" if row.kept else "BROKEN", row.told] for row in rows]
    )
    if not all(row.kept for row in rows):
        raise CheckpointError("a promise was broken", at=str(folder), fix="report it with this folder")
    shutil.rmtree(folder, ignore_errors=True)


selftest = with_shared_options(
    Verbs(
        "selftest",
        help="Try the promises on this machine.",
        verbs={"crash": ("ganreg.cli.selftest:crash", "Kill, damage and fill, then see that the same run comes out.")},
    )
)
