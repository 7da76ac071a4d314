"""The command line: one file per verb, imported when that verb is used, so that `--help` and TAB answer at once.

Whatever happens ends here: in an exit status (`errors.py`), and in three lines on stderr instead of a traceback.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

import click

from ganreg import __version__
from ganreg.cli import output
from ganreg.cli.group import Verbs
from ganreg.cli.runs import RunPath
from ganreg.cli.session import Session, with_shared_options
from ganreg.engine.signals import Terminated
from ganreg.errors import GanregError, PluginError, UsageError, did_you_mean, reason_of
from ganreg.plugins import blamed

INTERRUPTED = 130
COMPLETE = "_GANREG_COMPLETE"

VERBS = {
    "train": ("ganreg.cli.train:train", "Train a GAN from parts."),
    "list": ("ganreg.cli.list_parts:list_parts", "List the parts of every kind, and the recipes."),
    "show": ("ganreg.cli.show:show", "Show one part and its settings, or a recipe."),
    "data": ("ganreg.cli.data:data", "Look at data before training, pack pictures."),
    "sample": ("ganreg.cli.sample:sample", "Make samples with a trained generator."),
    "evaluate": ("ganreg.cli.evaluate:evaluate", "Measure a trained generator beside its data."),
    "report": ("ganreg.cli.report:report", "Write a run's report, or that of several runs side by side."),
    "compare": ("ganreg.cli.compare:compare", "Compare runs on the terminal."),
    "export": ("ganreg.cli.export:export", "Write a trained generator in a form that others use."),
    "push": ("ganreg.cli.push:push", "Publish a trained generator on the hub."),
    "pull": ("ganreg.cli.pull:pull", "Get a generator from the hub, verified."),
    "checkpoint": ("ganreg.cli.checkpoint:checkpoint", "Look at a run's checkpoints."),
    "config": ("ganreg.cli.config:config", "Show a resolved configuration, or the schema of all."),
    "plugins": ("ganreg.cli.plugins:plugins", "Look at the installed plugins, check one, start one."),
    "bench": ("ganreg.cli.bench:bench", "Measure what is fast here: ours beside torch's own."),
    "completion": ("ganreg.cli.completion:completion", "Teach your shell the words of ganreg."),
    "selftest": ("ganreg.cli.selftest:selftest", "Try the promises on this machine."),
    "doctor": ("ganreg.cli.doctor:doctor", "Tell versions, devices, plugins and which kernel runs."),
}


@with_shared_options
@click.group("ganreg", cls=Verbs, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="ganreg %(version)s")
def ganreg() -> None:
    """Train GANs from parts: any generator, discriminator, loss, optimizer and data set, built in or from a plugin.

    Start: ganreg train --generator dcgan
    """


def main(words: Sequence[str] | None = None) -> int:
    """Run a command line, by default the process's own -> exit status."""
    words = list(sys.argv[1:] if words is None else words)
    with output.prepared():
        if COMPLETE in os.environ:
            return _complete(os.environ[COMPLETE])
        session = Session()
        try:
            with ganreg.make_context("ganreg", words, obj=session) as context:
                ganreg.invoke(context)
            return 0
        except click.exceptions.Exit as left:
            return left.exit_code
        except (KeyboardInterrupt, click.Abort) as interrupt:
            output.complain(str(interrupt) or "interrupted")
            return INTERRUPTED
        except Terminated as ended:
            output.complain(str(ended))
            return int(str(ended.code))
        except BaseException as error:
            if isinstance(error, SystemExit) and session.running is not None:  # a plugin's verb may end as it likes
                raise
            if isinstance(error, BrokenPipeError) and output.reader_is_gone():  # who has seen enough
                output.hush()
                return 0
            return _tell(error, session, debug="--debug" in words)


def _complete(instruction: str) -> int:
    """Answer a shell; whatever is wrong is told when the command is run, not at TAB."""
    from click.shell_completion import shell_complete

    warnings.simplefilter("ignore")
    try:
        return shell_complete(ganreg, {"obj": Session()}, "ganreg", COMPLETE, instruction)
    except Exception:
        return 1


def _tell(error: BaseException, session: Session, *, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        output.complain(error.format_message())
        return error.exit_code
    if isinstance(error, click.ClickException):
        error = _in_our_words(error)
    whose = blamed(error, session.plugins())
    if session.running is not None:
        whose = session.running, whose[1] if whose is not None else _innermost(error)
    if whose is not None and not isinstance(error, GanregError):
        what = f"{'a command of ' if session.running else ''}{whose[0].named} failed: {reason_of(error)}"
        error = PluginError(what, at=whose[1], fix="see the traceback with --debug, and tell its author")
    if not isinstance(error, GanregError):
        what = reason_of(error)
        fix = "report this with its traceback" if debug else "see the traceback with --debug, and report it"
        error = GanregError(what, at=_innermost(error), fix=fix)
    output.complain(str(error))
    return error.exit_code


def _in_our_words(error: click.ClickException) -> UsageError:
    """click's message as one of ours."""
    context = getattr(error, "ctx", None)
    place = context.command_path if context is not None else "ganreg"
    if isinstance(error, click.NoSuchOption):
        near = did_you_mean(error.option_name, error.possibilities or ())
        what = f"there is no option '{error.option_name}'.{near}"
    else:
        what = error.format_message()
    needs_run = isinstance(error, click.MissingParameter) and isinstance(getattr(error.param, "type", None), RunPath)
    return UsageError(what.rstrip("."), at=place, fix=f"{place} latest" if needs_run else f"{place} --help")


def _innermost(error: BaseException) -> str:
    """File and line that raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
