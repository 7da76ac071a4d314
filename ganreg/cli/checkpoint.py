"""`ganreg checkpoint`: which checkpoints a run has, and whether every byte of them is as it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganreg.cli import output
from ganreg.cli.group import Verbs
from ganreg.cli.runs import RunPath, find
from ganreg.cli.session import with_shared_options
from ganreg.errors import CheckpointError

HEADINGS = ("checkpoint", "size", "written", "by", "status")


@with_shared_options
@click.command("list")
@click.argument("run", type=RunPath())
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs")
def list_checkpoints(run: str, as_json: bool) -> None:
    """List a run's checkpoints, oldest first, and say of each whether it is whole.

    RUN is a run directory or `latest`.  Every file is read.
    """
    rows = [row for path in _checkpoints(find(run)) if (row := _row(path)) is not None]
    if as_json:
        output.say_json(rows)
    else:
        output.table(HEADINGS, [[str(row[heading]) for heading in HEADINGS] for row in rows])


@with_shared_options
@click.command("verify")
@click.argument("run", type=RunPath())
def verify(run: str) -> None:
    """Exit with 0 if every checkpoint of the run is whole, else with 6 and the first file that is not.

    RUN is a run directory, `latest`, or one checkpoint.
    """
    from ganreg.engine import checkpoint

    place = find(run)
    found = [place] if checkpoint.STEP.fullmatch(place.name) else _checkpoints(place)
    damages: list[CheckpointError] = []
    for path in found:
        try:
            checkpoint.verify(path)
        except CheckpointError as error:
            if not path.is_dir():
                continue  # a run that goes on has removed it meanwhile
            damages.append(error)
        output.say(f"{path.name}: {damages[-1].what if damages and damages[-1].at.startswith(str(path)) else 'whole'}")
    if damages:
        raise damages[0]


def _checkpoints(run: Path) -> list[Path]:
    from ganreg.engine import checkpoint

    found = checkpoint.checkpoints(run)
    if not found:
        raise CheckpointError("there is no checkpoint", at=str(run), fix="give the directory of a run that was saved")
    return found


def _row(path: Path) -> dict[str, Any] | None:
    """None for one that a run which goes on removes while we look."""
    from datetime import UTC, datetime

    from ganreg.engine import checkpoint

    row: dict[str, Any] = dict.fromkeys(HEADINGS, "")
    try:
        files = [one for one in path.iterdir() if one.is_file()]
        row |= {
            "checkpoint": path.name,
            "size": _size(sum(one.stat().st_size for one in files)),
            "written": datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(sep=" ", timespec="seconds"),
            "status": "whole",
        }
        told = checkpoint.manifest(path)
        row["by"] = ", ".join(f"{name} {told[name]}" for name in ("ganreg", "torch") if name in told)
        checkpoint.verify(path)
    except (CheckpointError, OSError) as error:
        if not path.is_dir():
            return None
        row["status"] = f"{Path(error.at).name}: {error.what}" if isinstance(error, CheckpointError) else str(error.strerror)
    return row


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


checkpoint = with_shared_options(
    Verbs(
        "checkpoint",
        help="Look at a run's checkpoints.",
        verbs={
            "list": ("ganreg.cli.checkpoint:list_checkpoints", "List a run's checkpoints and whether each is whole."),
            "verify": ("ganreg.cli.checkpoint:verify", "Exit with 0 only if every checkpoint is whole."),
        },
    )
)
