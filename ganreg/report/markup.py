"""Pieces of HTML.  Whatever comes from a file is escaped here, and control characters are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ganreg.errors import printable
from ganreg.report.plot import Plot, about, draw, swatch
from ganreg.report.wording import shown

MOST_ROWS = 24
"""Of the table beside a plot."""


def text(words: object) -> str:
    """Any text, safe between tags and inside quotes."""
    return escape(printable(str(words)))


def section(name: str, title: str, *inside: str) -> str:
    """A part of the page with its heading; empty where nothing is inside."""
    content = "\n".join(piece for piece in inside if piece)
    if not content:
        return ""
    return f'<section aria-labelledby="{name}-heading">\n<h2 id="{name}-heading">{text(title)}</h2>\n{content}\n</section>'


def note(words: str) -> str:
    """A small remark; nothing for no words."""
    return f'<p class="note">{text(words)}</p>' if words else ""


def listed(items: Iterable[str], style: str = "") -> str:
    """A list of sentences; nothing for none."""
    rows = "".join(f"<li>{text(item)}</li>" for item in items)
    kind = f' class="{style}"' if style else ""
    return f"<ul{kind}>{rows}</ul>" if rows else ""


def folded(title: str, inside: str) -> str:
    """Something to be opened."""
    return f"<details><summary>{text(title)}</summary>{inside}</details>" if inside else ""


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Keys and values in as many columns as there is room for."""
    inside = "".join(f"<div><dt>{text(key)}</dt><dd>{text(value)}</dd></div>" for key, value in rows)
    return f'<dl class="pairs">{inside}</dl>' if inside else ""


def table(
    caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]], *, marked: Iterable[int] = (), told: bool = True
) -> str:
    """A table whose cells are markup already; the rows `marked` differ between runs, and have a sign of it.

    A caption that is not `told` repeats the heading above it, and is there for whoever hears the page.
    """
    differ = set(marked)
    head = "".join(f'<th scope="col">{cell}</th>' for cell in headings)
    body = []
    for index, (first, *others) in enumerate(rows):
        sign = '<abbr class="sign" title="differs">≠</abbr> ' if index in differ else ""
        cells = "".join(f"<td>{cell}</td>" for cell in others)
        body.append(f'<tr{" class=differs" if index in differ else ""}><th scope="row">{sign}{first}</th>{cells}</tr>')
    label = text(caption)
    kind = "" if told else " class=unseen"
    return (
        f'<div class="scroll" role="region" aria-label="{label}" tabindex="0"><table><caption{kind}>{label}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def figure(plot: Plot) -> str:
    """A plot with its name, a legend that also shows values at the chosen step, and the numbers as a table."""
    legend = "".join(
        f'<li>{swatch(line.style)}{_name(line.name, plot)}<output class="value t{line.style}"></output></li>'
        for line in plot.lines
    )
    levels = [one.meaning if one.label in one.meaning else f"{one.label}, {one.meaning}" for one in plot.levels]
    remarks = [f"Level line{'s' if len(levels) > 1 else ''}: {'; '.join(levels)}."] if levels else []
    remarks += [f"{plot.cut:,} of the logged values lie outside the frame."] if plot.cut else []
    unit = f'<span class="unit">{text(plot.unit)}</span>' if plot.unit else ""
    return (
        f'<figure class="frame"><figcaption><h3 id="{plot.name}-title">{text(plot.title)} {unit}</h3>'
        f'<ul class="legend">{legend}</ul></figcaption>{draw(plot)}'
        f'<p class="unseen" id="{plot.name}-about">{text(about(plot))}</p>{note(" ".join(remarks))}'
        f"{folded('Numbers', _numbers(plot))}</figure>"
    )


def _name(name: str, plot: Plot) -> str:
    return f"<span>{text(name)}</span> " if name != plot.title else ""  # a line alone is what its frame is called


def _numbers(plot: Plot) -> str:
    """Logged values at evenly spread steps, the last among them."""
    columns = [dict(line.points) for line in plot.lines]
    steps = sorted({step for column in columns for step in column})
    if len(steps) > MOST_ROWS:
        kept = [steps[round(index * (len(steps) - 1) / (MOST_ROWS - 1))] for index in range(MOST_ROWS)]
        caption = f"{plot.title}: {len(kept)} of {len(steps):,} logged steps"
    else:
        kept, caption = steps, f"{plot.title}: every logged step"
    headings = ["step", *(text(line.name) for line in plot.lines)]
    return table(caption, headings, [[f"{step:,.0f}", *(shown(column.get(step)) for column in columns)] for step in kept])
