"""`ganreg report`: one HTML file that tells a run, or several side by side."""

from __future__ import annotations

from pathlib import Path

import click

from ganreg.cli import output, runs
from ganreg.cli.paths import PathName, expanded
from ganreg.cli.session import with_shared_options
from ganreg.errors import UsageError

MOST_RUNS = 8
"""As many as there are colours and dashes that can be told apart."""


@with_shared_options
@click.command(short_help="Write a run's report, or that of several runs side by side.")
@click.argument("run", type=runs.RunPath(), nargs=-1, required=True)
@click.option("--out", type=PathName(path_type=Path), metavar="FILE", help="an .html file  [RUN/report.html of the first run]")
@click.option("--open", "opens", is_flag=True, help="show it in the browser")
def report(run: tuple[str, ...], out: Path | None, opens: bool) -> None:
    """Write a run's report, or that of several runs side by side: one HTML file that needs no network.

    RUN is a run's directory or latest; it may still be running.  A report that is there already is written anew, another file
    never.
    """
    from ganreg.report import page, reading

    target = checked(out)
    if len(run) > MOST_RUNS:
        raise UsageError(
            f"a report shows at most {MOST_RUNS} runs, got {len(run)}", at="RUN", fix="ganreg compare takes any number"
        )
    records = reading.read_all([runs.find(word) for word in run])
    target = target or records[0].path / "report.html"
    page.check(target)
    size = page.write(records, target)
    for record in records:
        for gap in record.missing:
            output.complain(f"{record.name}: {gap}")
    output.say(f"{size / 1000:,.0f} kB: {target}")
    if opens:
        import webbrowser

        if not webbrowser.open(target.resolve().as_uri()):
            output.complain("there is no browser to open it with")


def checked(out: Path | None) -> Path | None:
    """The file that was asked for.  Raises UsageError where its name is none of a page."""
    if out is None:
        return None
    out = expanded(str(out))
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"a report is an .html file, got '{out.name}'", at="--out", fix="--out report.html")
    if out.is_dir():
        raise UsageError("that is a directory", at=str(out), fix=f"--out {out / 'report.html'}")
    return out
