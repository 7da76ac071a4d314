"""What a run came to, in a few numbers: how far, how long, how fast, how the game stands, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from ganreg.engine.balance import balance
from ganreg.errors import GanregError
from ganreg.report.reading import Evaluation, RunRecord, number

Loss = Literal["loss_d", "loss_g"]


@dataclass(frozen=True)
class Facts:
    """Of one run; None where the run directory does not tell."""

    step: int | None
    of_steps: int | None
    images: int | None
    seconds: float | None
    images_per_second: float | None
    balance: str
    ended: str
    well: bool | None


def facts(record: RunRecord) -> Facts:
    """Gather them."""
    last = record.rows[-1] if record.rows else {}
    end = record.end or {}
    told = number(last.get("step"))
    step = told if told is not None else number(end.get("step"))
    of_steps = number(record.config.get("steps"))
    images, seconds = number(last.get("images")), seconds_of(record)
    text, well = _ended(record, of_steps)
    return Facts(
        step=_whole(step),
        of_steps=_whole(of_steps),
        images=_whole(images),
        seconds=seconds,
        images_per_second=images / seconds if images and seconds else None,
        balance=_balance(record),
        ended=text,
        well=well,
    )


def seconds_of(record: RunRecord) -> float | None:
    """Of training, over all sessions: the clock of the log begins anew where a run is gone on with."""
    clock = [value for _, value in record.column("seconds") if value is not None]
    if not clock:
        return None
    return clock[-1] + sum(before for before, after in pairwise(clock) if after < before)


def last(record: RunRecord, name: str) -> tuple[int, float] | None:
    """(step, value) of the last finite one."""
    found = [(int(step), value) for step, value in record.column(name) if value is not None]
    return found[-1] if found else None


def best_loss(record: RunRecord, name: Loss) -> tuple[int, float] | None:
    """(step, value) nearest to the loss's equilibrium; the lowest, where none is told."""
    found = [(int(step), value) for step, value in record.column(name) if value is not None]
    if not found:
        return None
    aim = record.equilibrium
    if aim is None:
        return min(found, key=lambda point: point[1])
    goal = aim[0 if name == "loss_d" else 1]
    return min(found, key=lambda point: abs(point[1] - goal))


def last_and_best(evaluations: list[Evaluation]) -> tuple[Evaluation, Evaluation] | None:
    """Of evaluations that may be compared: the latest, and the best; None where none has a value."""
    taken = sorted((one for one in evaluations if one.value is not None), key=lambda one: one.step)
    if not taken:
        return None
    best = max(taken, key=lambda one: _worth(one))
    return taken[-1], best


def _worth(evaluation: Evaluation) -> float:
    value = evaluation.value or 0.0
    return value if evaluation.higher_is_better else -value


def parts(record: RunRecord) -> list[str]:
    """The parts that a reader asks for first: digits, generator dcgan, …"""
    kinds = {"dataset": "", "generator": "generator ", "discriminator": "discriminator ", "loss": "loss "}
    return [f"{word}{name}" for kind, word in kinds.items() if (name := _name(record.config.get(kind)))]


def _name(value: Any) -> str:
    return str(value["name"]) if isinstance(value, dict) and "name" in value else ""


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _balance(record: RunRecord) -> str:
    row = record.rows[-1] if record.rows else {}
    known = {name: value for name, value in row.items() if value is not None}
    return balance(known, record.equilibrium) if {"accuracy_d", "loss_d"} <= known.keys() else ""


def _ended(record: RunRecord, of_steps: float | None) -> tuple[str, bool | None]:
    if record.end is None:
        return "no word of its end: it goes on, or was killed", None
    code, step, error = number(record.end.get("code")), number(record.end.get("step")), str(record.end.get("error") or "")
    where = f" at step {int(step):,}" if step is not None else ""
    if code == 0:
        early = of_steps is not None and step is not None and step < of_steps
        return (f"stopped{where} of {of_steps:,.0f}" if early else f"done{where}"), not early
    if code == 130:
        return f"interrupted{where}", None
    if not error and code is not None and code > 128:
        return f"ended by signal {int(code) - 128}{where}", None
    meaning = _meaning(error)
    why = f"{error}, {meaning}" if meaning else error
    return f"failed{where}" + (f": {why}" if why else ""), False


def _meaning(code: str) -> str:
    """The first line of an error's docstring, by its code: what it is for."""
    waiting: list[type[GanregError]] = [GanregError]
    while waiting:
        error = waiting.pop()
        if error.code == code and error is not GanregError:
            told = (error.__doc__ or "").splitlines()[0].rstrip(".")
            return told[:1].lower() + told[1:]
        waiting += error.__subclasses__()
    return ""
