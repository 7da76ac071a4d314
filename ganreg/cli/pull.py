"""`ganreg pull`: fetch a generator that somebody published; verified, and never code."""

from __future__ import annotations

from pathlib import Path

import click

from ganreg.cli import output
from ganreg.cli.paths import PathName
from ganreg.cli.session import session_of, with_shared_options
from ganreg.errors import PluginError


@with_shared_options
@click.command()
@click.argument("repository", metavar="USER/NAME")
@click.option("--revision", metavar="NAME", help="a branch, tag or commit  [the newest]")
@click.option("--out", type=PathName(path_type=Path), metavar="DIR", help="where to  [NAME, here]")
@click.option("--force", is_flag=True, help="replace the export that --out names")
@click.pass_context
def pull(context: click.Context, repository: str, revision: str | None, out: Path | None, force: bool) -> None:
    """Get a generator from the hub, verified.

    Each file has to have the sha256 that the manifest says, or none of them gets its name.  Weights are safetensors: nothing of
    them can run code.  A generator that is a plugin's needs that plugin, which is named and never installed.
    """
    session_of(context).registry()
    from ganreg.sharing import hub

    hub.check_repository(repository, fix="ganreg pull user/name")
    target = out or Path(repository.rpartition("/")[2])
    commit = hub.fetch(repository, target, revision=revision, force=force)
    output.say(f"{target}, commit {commit[:12]}: {_what(target)}")
    output.say(f"ganreg sample {target}")


def _what(target: Path) -> str:
    """What it makes, and what has to be installed first."""
    from ganreg.assembly import exported, load

    about = exported.about(target)
    shape = "x".join(map(str, about.spec.shape))
    told = f"{about.generator.name}, samples of {shape}, trained for {about.step:,} steps"
    try:
        load.check_installed(about, target)
    except PluginError as error:
        return f"{told}; first: {error.fix} ({error.what})"
    return told
