"""`ganreg completion`: click's completion script, where the shell looks for it; no startup file is touched.

bash (with bash-completion) and fish load what lies in a folder of theirs when it is needed; zsh looks into the folders of
`fpath`, PowerShell into none, so that these two need a line in a startup file, which is told and left to the user.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from ganreg.cli import output
from ganreg.cli.group import Verbs
from ganreg.cli.session import with_shared_options
from ganreg.cli.words import Choice
from ganreg.errors import StorageError, UsageError

SHELLS = ("bash", "zsh", "fish", "powershell")
MARK = "_GANREG_COMPLETE"
BASH_COMPLETION = (
    *("/usr/share/bash-completion/bash_completion", "/opt/homebrew/etc/profile.d/bash_completion.sh"),
    *("/usr/local/etc/profile.d/bash_completion.sh", "/etc/profile.d/bash_completion.sh"),
)

shell_option = click.option("--shell", type=Choice(SHELLS), help="for which shell  [the one you are in]")


@with_shared_options
@click.command("install")
@shell_option
def install(shell: str | None) -> None:
    """Write the completion script where the shell looks for it, and say where that is and how to undo it.

    No startup file is changed; where the shell needs a line in one, that line is told.
    """
    shell = shell or _of_the_environment()
    path, text = _place(shell), script(shell)
    try:
        there = path.read_text(encoding="utf-8") if path.is_file() else None
        if there is not None and MARK not in there:
            what = "a completion that is not ours is there already"
            raise UsageError(what, at=str(path), fix=f"move it away, or: ganreg completion show --shell {shell}")
        if there != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.part")
            part.write_text(text, encoding="utf-8")
            part.replace(path)
    except (OSError, UnicodeDecodeError) as error:
        what = f"the completion cannot be written: {getattr(error, 'strerror', None) or error}"
        raise StorageError(what, at=str(path), fix=f"ganreg completion show --shell {shell} > FILE") from error
    output.say(f"{'already there' if there == text else 'written'}: {path}")
    for line in _advice(shell, path):
        output.say(line)


@with_shared_options
@click.command("show")
@shell_option
def show(shell: str | None) -> None:
    """Print the completion script, to be put somewhere by hand.

    For example, for this session alone: source <(ganreg completion show --shell bash)
    """
    output.say(script(shell or _of_the_environment()).rstrip("\n"))


def script(shell: str) -> str:
    """click's own, for the command `ganreg`."""
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None, "click knows the shells that we name"
    filled = made(click.Command("ganreg"), {}, "ganreg", MARK)
    return (filled.source_template % filled.source_vars()).strip("\n") + "\n"


def _of_the_environment() -> str:
    """The login shell, or PowerShell on Windows.  Raises UsageError."""
    name = re.split(r"[/\\]", os.environ.get("SHELL", ""))[-1].removesuffix(".exe")
    name = {"pwsh": "powershell"}.get(name, name)
    if name in SHELLS:
        return name
    if sys.platform == "win32" and not name:
        return "powershell"
    told = f"there is no completion for the shell '{name}'" if name else "which shell this is cannot be told"
    raise UsageError(told, at="SHELL", fix=f"ganreg completion install --shell {'|'.join(SHELLS)}")


def _folder(variable: str, *default: str) -> Path:
    """A folder that the environment may move; below the home folder else."""
    given = os.environ.get(variable)
    return Path(given) if given else Path.home().joinpath(*default)


def _bash() -> Path:
    own = os.environ.get("BASH_COMPLETION_USER_DIR")
    return (Path(own) if own else _folder("XDG_DATA_HOME", ".local", "share") / "bash-completion") / "completions" / "ganreg"


def _powershell() -> Path:
    documents = Path.home() / "Documents" / "PowerShell"
    return (documents if sys.platform == "win32" else _folder("XDG_CONFIG_HOME", ".config") / "powershell") / "ganreg.ps1"


PLACES: Mapping[str, Callable[[], Path]] = {
    "bash": _bash,
    "zsh": lambda: _folder("ZDOTDIR") / ".zfunc" / "_ganreg",
    "fish": lambda: _folder("XDG_CONFIG_HOME", ".config") / "fish" / "completions" / "ganreg.fish",
    "powershell": _powershell,
}


def _place(shell: str) -> Path:
    try:
        return PLACES[shell]()
    except RuntimeError as error:
        raise UsageError("there is no home folder", at="HOME", fix=f"ganreg completion show --shell {shell}") from error


def _advice(shell: str, path: Path) -> list[str]:
    """What is left to do, and how to undo it."""
    undo = f"undo: Remove-Item '{path}'" if shell == "powershell" else f"undo: rm '{path}'"
    if shell == "fish" or (shell == "bash" and any(Path(file).is_file() for file in BASH_COMPLETION)):
        return ["open a new shell, then: ganreg train --generator <TAB>", undo]
    startup = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "powershell": "$PROFILE"}[shell]
    line = {
        "bash": f"source '{path}'",
        "zsh": f"fpath=('{path.parent}' $fpath); autoload -Uz compinit && compinit",
        "powershell": f". '{path}'",
    }[shell]
    why = "bash-completion is not installed; without it, add" if shell == "bash" else "add"
    return [f"{why} this line to {startup}, unless it is there:", f"  {line}", f"{undo}, and take the line out"]


completion = with_shared_options(
    Verbs(
        "completion",
        help="Teach your shell the words of ganreg.",
        verbs={
            "install": ("ganreg.cli.completion:install", "Write the completion script where your shell looks for it."),
            "show": ("ganreg.cli.completion:show", "Print the completion script."),
        },
    )
)
