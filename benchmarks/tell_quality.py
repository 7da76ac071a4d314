"""The tables of docs/results.md and docs/parts.md: of `benchmarks/quality.py`, and of what is in the package."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ganreg.components import builtin
from ganreg.contracts import PLURALS

Row = dict[str, Any]
MISSING = "*Not run.*"


def parts() -> str:
    """Every part and recipe of the package."""
    records = list(builtin.ganreg_components())
    lines = []
    for kind, plural in PLURALS.items():
        mine = sorted((one for one in records if one.kind == kind), key=lambda one: one.name)
        if mine:
            lines += [*_heading(plural), *(_part(one.name, one.summary, one.paper) for one in mine), ""]
    recipes = sorted(builtin.ganreg_recipes(), key=lambda one: one.name)
    lines += [*_heading("recipes"), *(_part(one.name, one.summary, one.paper) for one in recipes)]
    return "\n".join(lines)


def _heading(plural: str) -> list[str]:
    return [f"| {plural} | | |", "|---|---|---|"]


def _part(name: str, summary: str, paper: str) -> str:
    link = f"[{paper}](https://arxiv.org/abs/{paper})" if paper else ""
    return f"| `{name}` | {summary} | {link} |"


def points(told: dict[str, Any]) -> str:
    """Modes, share and reverse KL of each loss and layout, each seed beside the others."""
    rows: list[Row] = told["rows"]
    lines = ["| | loss | modes | within 3 sigma | reverse KL | CPU s |", "|---|---|---|---|---|---|"]
    for (layout, who), mine in _groups(rows, "layout", "who"):
        most = {"grid": 25, "ring": 8}[layout]
        modes = ", ".join(f"{one['modes']}" for one in mine)
        share = ", ".join(f"{one['share']:.1%}" for one in mine)
        divergence = ", ".join(f"{one['reverse_kl']:.3f}" for one in mine)
        lines.append(f"| {layout}, {most} | {who} | {modes} | {share} | {divergence} | {_span(mine, 'cpu_seconds', '.0f')} |")
    return "\n".join([*lines, "", _where(told)])


def digits(told: dict[str, Any]) -> str:
    """Medians and spans over the seeds."""
    head = "| recipe | CPU s | steps | Fréchet distance | kernel distance | precision | recall | rarest class | as asked |"
    lines = [head, f"|{'---|' * (head.count('|') - 1)}"]
    for (who,), mine in _groups(told["rows"], "who"):
        obeyed = _median(mine, "obeyed", ".1%") if "obeyed" in mine[0] else ""
        cells = (
            *(_median(mine, "cpu_seconds", ".0f"), _median(mine, "steps", ".0f"), _span(mine, "fd_digits_cnn", ".1f")),
            *(_span(mine, "kd_digits_cnn", ".2f"), _median(mine, "precision", ".0%"), _median(mine, "recall", ".0%")),
            *(_median(mine, "min_share", ".1%"), obeyed),
        )
        lines.append(f"| {who} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", _where(told)])


def long(told: dict[str, Any]) -> str:
    """The Fréchet distance along the way, each seed a row, and the last beside the best."""
    rows: list[Row] = told["rows"]
    steps = sorted({one["step"] for one in rows})
    shown = steps[3::4]
    lines = [
        f"| seed | {' | '.join(f'{step:,} steps' for step in shown)} | best | last over best |",
        f"|{'---|' * (len(shown) + 3)}",
    ]
    for (seed,), mine in _groups(rows, "seed"):
        values = {one["step"]: one["fd_digits_cnn"] for one in mine}
        best, last = min(values.values()), values[max(values)]
        cells = " | ".join(f"{values[step]:.1f}" for step in shown)
        lines.append(f"| {seed} | {cells} | {best:.1f} | {last / best:.2f} |")
    return "\n".join([*lines, "", _where(told)])


def stacked(told: dict[str, Any]) -> str:
    """Modes and reverse KL of each recipe, each seed beside the others."""
    lines = ["| recipe | modes of 1,000 | reverse KL | steps | CPU s |", "|---|---|---|---|---|"]
    for (who,), mine in _groups(told["rows"], "who"):
        modes = ", ".join(str(one["modes"]) for one in mine)
        divergence = ", ".join(f"{one['reverse_kl']:.2f}" for one in mine)
        lines.append(f"| {who} | {modes} | {divergence} | {mine[0]['steps']:,} | {_span(mine, 'cpu_seconds', '.0f')} |")
    return "\n".join([*lines, "", _where(told)])


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "points": points,
    "digits": digits,
    "digits_long": long,
    "stacked": stacked,
}


def _groups(rows: Iterable[Row], *keys: str) -> Iterable[tuple[tuple[Any, ...], list[Row]]]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found.items()


def _median(rows: Sequence[Row], key: str, form: str) -> str:
    return format(statistics.median(row[key] for row in rows), form)


def _span(rows: Sequence[Row], key: str, form: str) -> str:
    values = [row[key] for row in rows]
    low, high = min(values), max(values)
    middle = format(statistics.median(values), form)
    return middle if low == high else f"{middle} ({low:{form}} – {high:{form}})"


def _where(told: dict[str, Any]) -> str:
    machine = told["machine"]
    seeds = ", ".join(map(str, told["seeds"]))
    cores = "one core" if machine["cores"] == 1 else f"{machine['cores']} cores"
    where = f"{machine['processor']}, {cores}, torch {told['torch']}, {told['date'][:10]}"
    jobs = told.get("jobs", 1)
    shared = f"; {jobs} runs at a time, each on {machine['cores'] // jobs} of the cores" if jobs > 1 else ""
    return f"Seeds {seeds}; {where}{shared}. `{shlex.join(told['command'])}`"
