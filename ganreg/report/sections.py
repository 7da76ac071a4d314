"""The parts of a report, from the first line to the command that repeats the run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from ganreg.report.beside import Entry, Measured, entries, failures, measured, unlike
from ganreg.report.embedded import Embedded, Film
from ganreg.report.facts import facts, parts
from ganreg.report.markup import figure, folded, listed, note, pairs, section, table, text
from ganreg.report.overview import BEST, overview, protocols
from ganreg.report.plot import Plot, swatch
from ganreg.report.reading import Evaluation, RunRecord
from ganreg.report.series import MOST_POINTS, window
from ganreg.report.wording import shown

Records = Sequence[RunRecord]

RATES = ("rates", "lr-d", "lr-g")
"""Names of the plots of learning rates."""


def header(records: Records) -> str:
    """Which runs, of what parts, and how each ended."""
    names = " and ".join([", ".join(r.name for r in records[:-1]), records[-1].name]) if len(records) > 1 else records[0].name
    lines = []
    for index, record in enumerate(records):
        told = facts(record)
        state = {True: "well", False: "ill", None: "open"}[told.well]
        sign = {True: "✓", False: "✕", None: "…"}[told.well]
        words = ". ".join(piece[:1].upper() + piece[1:] for piece in (told.ended, told.balance) if piece)
        of = f"{swatch(index)}<b>{text(record.name)}</b> " if len(records) > 1 else ""
        made = f'<span class="parts">{text(" · ".join(parts(record)))}</span>' if len(records) > 1 else ""
        verdict = f'<span class="{state}"><span class="sign" aria-hidden="true">{sign}</span> {text(words)}.</span>'
        lines.append(f"<li>{of}{verdict} {made}</li>")
    lead = f'<p class="lead">{text(" · ".join(parts(records[0])))}</p>' if len(records) == 1 else ""
    gaps = [f"{r.name}: {gap}" if len(records) > 1 else gap for r in records for gap in dict.fromkeys(r.missing)]
    missing = f'<aside class="missing"><h2>What is missing</h2>{listed(gaps)}</aside>' if gaps else ""
    title = f'<p class="kind">ganreg report</p><h1>{text(names)}</h1>{lead}'
    return f'<header>{title}<ul class="verdicts">{"".join(lines)}</ul>{missing}</header>'


def summary(records: Records) -> str:
    """The overview: tiles of one run, a table of several."""
    rows = [(label, texts) for label, texts in overview(records) if label not in ("ended", "balance")]
    if len(records) == 1:
        inside = "".join(f"<div><dt>{text(label)}</dt><dd>{_tile(texts[0])}</dd></div>" for label, texts in rows)
        return f'<dl class="tiles">{inside}</dl>{note(BEST)}' if inside else ""
    headings = ["", *_heads(records)]
    content = table("In numbers", headings, [[text(label), *map(text, texts)] for label, texts in rows], told=False)
    return section("overview", "In numbers", content, note(BEST))


def _tile(words: str) -> str:
    """The number large, what it belongs to small."""
    for word in (" at step ", " of "):
        number, found, rest = words.partition(word)
        if found:
            return f"{text(number)} <small>{text(word.strip() + ' ' + rest)}</small>"
    return text(words)


def _heads(records: Records) -> list[str]:
    return [f"{swatch(index)} {text(record.name)}" for index, record in enumerate(records)]


def samples(records: Records, films: Sequence[Film]) -> str:
    """Pictures under a slider of steps, the real ones beside."""
    if not any(film.frames for film in films):
        return ""
    steps = slider_steps(films)
    slider = (
        '<div class="slider"><label for="step">Step</label>'
        f'<input type="range" id="step" min="0" max="{len(steps) - 1}" step="1" value="{len(steps) - 1}" '
        f'aria-valuetext="step {steps[-1]:,}"><output for="step" id="step-shown">{steps[-1]:,}</output></div>'
        if len(steps) > 1
        else ""
    )
    figures = [_film(record, film, several=len(records) > 1) for record, film in zip(records, films, strict=True)]
    reals = {film.same_reals: (film.reals, record) for record, film in zip(records, films, strict=True) if film.reals}
    for real, record in reals.values():
        of = f" of {record.name}" if len(reals) > 1 else ""
        figures.append(
            f'<figure class="picture">{_img(real, f"Real samples from the data{of}")}'
            f"<figcaption>real samples{text(of)}</figcaption></figure>"
        )
    notes = [
        f"{record.name}: {film.note}" if len(records) > 1 else film.note
        for record, film in zip(records, films, strict=True)
        if film.note
    ]
    still = '<noscript><p class="note">The slider needs scripts; shown is the last picture.</p></noscript>'
    pictures = f'<div class="pictures">{"".join(figures)}</div>'
    return section("samples", "Samples", slider, pictures, still, note(". ".join(notes)))


def slider_steps(films: Sequence[Film]) -> list[int]:
    """Every step of which some run has a picture."""
    return sorted({frame.step for film in films for frame in film.frames})


def _film(record: RunRecord, film: Film, *, several: bool) -> str:
    if not film.frames:
        return f'<figure class="picture none"><p>no pictures</p><figcaption>{text(record.name)}</figcaption></figure>'
    of = f" of {record.name}" if several else ""
    images = "".join(
        _img(frame, f"Samples{of} after step {frame.step:,}, from the same latents at every step", hidden=frame is not last)
        for last in (film.frames[-1],)
        for frame in film.frames
    )
    name = f"{text(record.name)}, " if several else ""
    caption = f'<figcaption>{name}after step <span class="at">{film.frames[-1].step:,}</span></figcaption>'
    return f'<figure class="picture film">{images}{caption}</figure>'


def _img(picture: Embedded, alt: str, *, hidden: bool = False) -> str:
    sharp = " class=sharp" if max(picture.width, picture.height) <= 800 and picture.uri.startswith("data:image/png") else ""
    return (
        f'<img{sharp} src="{picture.uri}" width="{picture.width}" height="{picture.height}" alt="{text(alt)}" '
        f'data-step="{picture.step}"{" hidden" if hidden else ""}>'
    )


def balance_plots(records: Records, plots: Sequence[Plot]) -> str:
    """Losses and what D says."""
    untold = [r.name for r in records if r.rows and r.equilibrium is None]
    without = ""
    if untold:
        whose = f" of {', '.join(untold)}" if len(records) > 1 else ""
        without = f"The loss{whose} tells no equilibrium, so that no line is drawn for it."
    return section("balance", "The game", _frames(plots), note(_drawn(records)), note(without))


def _drawn(records: Records) -> str:
    """How the lines were made from what was logged."""
    count = max((len(record.rows) for record in records), default=0)
    told = []
    if window(count) > 1:
        told.append(f"Faint: what was logged. Bold: the mean of {window(count)} logged values around each step.")
    if count > MOST_POINTS:
        told.append(f"Of {count:,} logged steps at most {MOST_POINTS} points a line are drawn: the extremes of each stretch.")
    return " ".join(told)


def _frames(plots: Sequence[Plot]) -> str:
    return f'<div class="frames">{"".join(map(figure, plots))}</div>' if plots else ""


def metrics(records: Records, plots: Sequence[Plot]) -> str:
    """Every measurement with its protocol; the best of like ones is marked."""
    found = measured(records)
    several = len(records) > 1
    ways = protocols(found)
    rows = [_measured(one, ways) for one in found]
    headings = ["metric", *(_heads(records) if several else ["value"]), *(["protocol"] if len(ways) > 1 else [])]
    content = table("Evaluations", headings, rows, told=False) if rows else ""
    if len(ways) == 1:
        content += note(f"Protocol: {next(iter(ways.values()))[1]}.")
    else:
        content += "".join(note(f"Protocol {number}: {words}.") for number, words in ways.values())
    failed = [
        f"{f'{record.name}: ' if several else ''}{one.metric} could not be taken{f': {one.reason}' if one.reason else ''}"
        for record in records
        for one in failures(record)
    ]
    empty = note("" if rows or failed else "Nothing was evaluated: ganreg evaluate measures a run.")
    return section("metrics", "Evaluations", _frames(plots), content, listed([*unlike(found), *failed], "remarks"), empty)


def _measured(one: Measured, ways: Mapping[str, tuple[int, str]]) -> list[str]:
    """A row of the table: the metric, each run's latest and best value, the protocol's number where there are several."""
    cells = []
    leader = one.leader()
    for index, pair in enumerate(one.runs):
        if pair is None:
            cells.append("–")
            continue
        last, best = pair
        mark = ' <strong class="best">best</strong>' if index == leader else ""
        lower = "" if best is last else f"<br><small>best {_at(best)}</small>"
        cells.append(f"{_at(last)}{mark}{lower}")
    arrow = "higher is better" if one.higher_is_better else "lower is better"
    way = [str(ways[one.way][0])] if len(ways) > 1 else []
    return [f"{text(one.metric)} <small>{arrow}</small>", *cells, *way]


def _at(one: Evaluation) -> str:
    return f"{text(shown(one.value))} <small>at step {one.step:,}</small>"


def machine_room(records: Records, plots: Sequence[Plot]) -> str:
    """Throughput, learning rates, gradients, penalties."""
    steady = ""
    if not any(plot.name in RATES for plot in plots) and any(record.column("lr_d") for record in records):
        told = []
        for record in records:
            rates = [shown(values[-1][1]) if (values := record.column(key)) else "–" for key in ("lr_g", "lr_d")]
            of = f"{record.name}: " if len(records) > 1 else ""
            told.append(f"{of}G {rates[0]}, D {rates[1]}")
        steady = f"Learning rates, the same at every step: {'; '.join(told)}."
    return section("pace", "Pace and gradients", _frames(plots), note(steady))


def words(records: Records) -> str:
    """What the runs were warned of, and how they ended."""
    told = []
    for record in records:
        own = listed((f"step {step:,}: {said}" for step, said in record.words), "said")
        name = f"<h3>{text(record.name)}</h3>" if len(records) > 1 else ""
        told.append(name + (own or note("No warning is recorded.")) + _end(record))
    return section("words", "Warnings, and the end", *told)


def _end(record: RunRecord) -> str:
    if record.end is None:
        return note("There is no exit.json: the run goes on, or was killed without a word of its end.")
    end = record.end
    rows = [("exit status", end.get("code")), ("error", end.get("error")), ("step", end.get("step"))]
    rows += [("last checkpoint", end.get("checkpoint")), ("at", end.get("at"))]
    return pairs((key, str(value)) for key, value in rows if value not in ("", None))


def settings(records: Records) -> str:
    """The configuration: of several runs, first what differs."""
    return _told("settings", "Settings", records, entries([record.config for record in records]), "settings", opened=True)


def environment(records: Records) -> str:
    """Versions, device, kernel, plugins."""
    known = [{key: value for key, value in record.environment.items() if key != "equilibrium"} for record in records]
    return _told("environment", "Environment", records, entries(known), "facts", opened=False)


def _told(name: str, title: str, records: Records, found: Sequence[Entry], what: str, *, opened: bool) -> str:
    if len(records) == 1:
        content = pairs((entry.key, entry.values[0] or "") for entry in found)
        return section(name, title, content if opened else folded(f"{len(found)} {what}", content) if found else "")
    rows = [[text(entry.key), *(text(value) if value is not None else "–" for value in entry.values)] for entry in found]
    differ = [row for row, entry in zip(rows, found, strict=True) if entry.differs]
    same = [(entry.key, entry.values[0] or "") for entry in found if not entry.differs]
    headings = ["", *_heads(records)]
    first = table(f"{title} that differ", headings, differ, marked=range(len(differ))) if differ else ""
    rest = folded(f"{len(same)} {what} are the same", pairs(same))
    return section(name, title, first or note(f"No {what} differ." if found else ""), rest)


def repeat(records: Records) -> str:
    """Commands to copy."""
    blocks = []
    for record in records:
        place, config = shlex.quote(str(record.path)), shlex.quote(str(record.path / "config.yaml"))
        needed = record.config.get("plugin_files")
        files = "".join(f" --plugin {shlex.quote(str(name))}" for name in needed) if isinstance(needed, dict) else ""
        lines = []
        if record.config and record.repeatable:
            lines.append(f"ganreg train -c {config}{files}")
        if record.end is not None and record.end.get("checkpoint"):
            lines.append(f"ganreg sample {place} -n 64{files}")
        name = f"<h3>{text(record.name)}</h3>" if len(records) > 1 else ""
        code = f"<pre><code>{text(chr(10).join(lines))}</code></pre>" if lines else ""
        why = "" if record.repeatable else "Settings alone do not repeat this run: some of its parts were objects, or unknown."
        blocks.append(name + code + note(why))
    return section("repeat", "Repeat it", *blocks)
