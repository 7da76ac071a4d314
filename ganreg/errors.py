"""Every error raised on purpose: what is wrong, where, what to do; a code that keeps its meaning, an exit status.

    error[GR101]: no loss is named 'hinje'. Did you mean 'hinge'? Known: bce, hinge, …
      at: --loss
      fix: ganreg list loss

`ValueError` and `TypeError` stay what they are for one wrong argument of a Python function; a `GanregError` is for names,
settings, plugins, files and runs.  The hundreds of a code group errors by exit status: 1xx usage (2), 2xx plugin (3),
3xx data (4), 4xx numeric (5), 5xx storage (6), 6xx busy (7), 9xx ours (70).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

MOST_WORDS = 300
"""Characters of a reason."""


class GanregError(Exception):
    """Base of all: `what` is wrong, `at` which place, how to `fix` it."""

    code = "GR902"
    exit_code = 70

    def __init__(self, what: str, *, at: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.at = at
        self.fix = fix

    def __str__(self) -> str:
        lines = [f"error[{self.code}]: {self.what}"]
        if self.at:
            lines.append(f"  at: {self.at}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return printable("\n".join(lines))


# --- usage and configuration: exit status 2 ---------------------------------------------------------------------------


class UsageError(GanregError):
    """The words of a command, or arguments that contradict each other."""

    code = "GR100"
    exit_code = 2


class UnknownNameError(UsageError):
    """No component, recipe or plugin has this name."""

    code = "GR101"


class WrongKindError(UsageError):
    """The name exists, but as another kind of component."""

    code = "GR102"


class SettingsError(UsageError, ValueError):
    """Settings that a component or a run refuses: unknown keys, wrong types, values out of range; all told at once.

    `faults` are (place, what is wrong) pairs; the place may be empty.
    """

    code = "GR103"

    def __init__(self, faults: str | Sequence[tuple[str, str]], *, at: str, fix: str) -> None:
        faults = [("", faults)] if isinstance(faults, str) else faults
        first = next((place for place, _ in faults if place), at)
        lines = [text if place in ("", first) else f"{text} ({place})" for place, text in faults]
        many = f"{len(lines)} settings are wrong" + "".join(f"\n  - {line}" for line in lines)
        super().__init__(lines[0] if len(lines) == 1 else many, at=first, fix=fix)
        self.faults = list(faults)

    @classmethod
    def together(cls, errors: Sequence[SettingsError]) -> SettingsError:
        """The faults of several components as one error."""
        faults = list(dict.fromkeys((place or error.at, text) for error in errors for place, text in error.faults))
        return cls(faults, at=errors[0].at, fix=errors[0].fix) if len(errors) > 1 else errors[0]


class ConfigSyntaxError(UsageError):
    """A configuration file that is not the YAML we read."""

    code = "GR104"


class ConfigFileError(UsageError):
    """A configuration file that cannot be opened."""

    code = "GR105"


class MismatchError(UsageError):
    """Generator, discriminator and data do not fit each other; or a metric and its features; or two protocols."""

    code = "GR106"


class DeviceError(UsageError):
    """A device that this machine does not have."""

    code = "GR107"


class RunExistsError(UsageError):
    """The run directory holds something already."""

    code = "GR108"


class MissingExtraError(UsageError):
    """An optional package that is not installed; told with the extra of ours that brings it."""

    code = "GR109"


# --- plugins: exit status 3 -------------------------------------------------------------------------------------------


class PluginError(GanregError):
    """A plugin that failed to load, and something of it was asked for."""

    code = "GR201"
    exit_code = 3


class NameConflictError(PluginError):
    """Two distributions offer one name."""

    code = "GR202"


class ContractError(PluginError):
    """A component that does not do what its kind must do."""

    code = "GR203"


class ExportError(PluginError):
    """A generator that cannot be exported, or whose export does not make what it makes."""

    code = "GR204"


# --- data: exit status 4 ----------------------------------------------------------------------------------------------


class DataError(GanregError):
    """A data path that is not there or holds nothing to train on."""

    code = "GR301"
    exit_code = 4


class TooFewSamplesError(DataError):
    """Fewer samples than one batch."""

    code = "GR302"


class BadImageError(DataError):
    """A picture that cannot be read."""

    code = "GR303"


class ImageTooLargeError(DataError):
    """A picture whose header promises more pixels than we decode."""

    code = "GR304"


class BadSampleError(DataError):
    """A sample that is not what the data set's spec promises."""

    code = "GR305"


class SampleError(DataError):
    """A sample that the data set, or a process that reads it, failed to give."""

    code = "GR306"


class ArchiveError(DataError):
    """An archive or a file of arrays that is damaged, or made to harm whoever reads or extracts it."""

    code = "GR307"


class HubError(DataError):
    """A hub that cannot be reached, refuses, or sends something else than it promised."""

    code = "GR309"


# --- numerics: exit status 5 ------------------------------------------------------------------------------------------


class NonFiniteError(GanregError):
    """A loss or gradient became nan or infinite; nothing of it reached the weights."""

    code = "GR401"
    exit_code = 5


# --- storage: exit status 6 -------------------------------------------------------------------------------------------


class StorageError(GanregError):
    """A run directory that cannot be written."""

    code = "GR501"
    exit_code = 6


class CheckpointError(StorageError):
    """A run or checkpoint that is missing, damaged or of another format."""

    code = "GR502"


# --- the rest ---------------------------------------------------------------------------------------------------------


class RunBusyError(GanregError):
    """Another process trains in this run directory."""

    code = "GR601"
    exit_code = 7


class RankError(GanregError):
    """A process of a distributed run is missing, late, or holds something else than the others."""

    code = "GR701"
    exit_code = 8


class KernelError(GanregError):
    """The native kernel was required and is not available."""

    code = "GR901"


def printable(text: str) -> str:
    """Control characters shown, not sent to the terminal; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def in_one_line(text: str) -> str:
    """The same with line ends shown, for names inside a sentence."""
    return printable(text).replace("\n", "\\n")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ " Did you mean 'hinge'?", or nothing when no known word is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def reason_of(error: BaseException) -> str:
    """Its kind, and the first line of what it says, cut where it is endless; an error may itself be broken."""
    try:
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    except Exception:
        said = ""
    said = said if len(said) <= MOST_WORDS else f"{said[:MOST_WORDS]} …"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
