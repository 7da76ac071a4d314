"""One HTML file with everything in it, and a policy that lets a browser fetch nothing and run only our own script."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from string import Template
from tempfile import NamedTemporaryFile
from typing import Any

from ganreg import __version__
from ganreg.errors import RunExistsError, StorageError
from ganreg.report import sections
from ganreg.report.embedded import BUDGET, film
from ganreg.report.markup import text
from ganreg.report.plot import LEFT, RIGHT, Plot
from ganreg.report.plots import Frames
from ganreg.report.reading import RunRecord

MARK, MOST_HEAD = b'<meta name="generator" content="ganreg ', 4096
"""What the head of each report has, and how far it is looked for."""


def page(records: Sequence[RunRecord]) -> str:
    """Records of one run or several -> the text of an HTML file."""
    films = [film(record, BUDGET // len(records)) for record in records]  # first: it tells which pictures are damaged
    frames = Frames(records)
    game = [*frames.losses(), *frames.judgement()]
    measures = frames.metrics()
    room = [*frames.pace(), *frames.rates(), *frames.gradients(), *frames.penalties()]
    body = [
        sections.header(records),
        sections.summary(records),
        sections.samples(records, films),
        sections.balance_plots(records, game),
        sections.metrics(records, measures),
        sections.machine_room(records, room),
        sections.words(records),
        sections.settings(records),
        sections.environment(records),
        sections.repeat(records),
    ]
    style, script = _asset("page.css"), _asset("page.js")
    return Template(_asset("page.html")).substitute(
        policy=f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'",
        title=text(f"{', '.join(record.name for record in records)} – ganreg report"),
        style=style,
        body="\n".join(piece for piece in body if piece),
        version=text(__version__),
        data=_data(sections.slider_steps(films), [*game, *measures, *room]),
        script=script,
    )


def check(target: Path) -> None:
    """A report is written anew, another file never.  Raises RunExistsError."""
    try:
        with target.open("rb") as file:
            start = file.read(MOST_HEAD)
    except OSError:  # nothing is there, or `write` says what
        return
    if start and MARK not in start:
        raise RunExistsError("the file is there already, and is no report", at=str(target), fix="give another --out")


def write(records: Sequence[RunRecord], target: Path) -> int:
    """Make the page and replace `target` by it, whole -> its size in bytes.  Raises StorageError."""
    made = page(records).encode("utf-8")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as part:
            part.write(made)
        place = Path(part.name)
        try:
            place.chmod(0o666 & ~_umask())
            place.replace(target)
        except OSError:
            place.unlink(missing_ok=True)
            raise
    except OSError as error:
        what = f"the report cannot be written: {error.strerror or error}"
        raise StorageError(what, at=str(target), fix="give another --out") from error
    return len(made)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _asset(name: str) -> str:
    return files("ganreg.report").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode('utf-8')).digest()).decode()}"


def _data(steps: Sequence[int], plots: Sequence[Plot]) -> str:
    """What the script needs, as JSON in which no tag can begin."""
    drawn: dict[str, Any] = {}
    for plot in plots:
        points = [[(step, value) for step, value in line.drawn() if value is not None] for line in plot.lines]
        drawn[plot.name] = [[[step for step, _ in line], [float(f"{value:.4g}") for _, value in line]] for line in points]
    last = max((plot.last_step for plot in plots), default=0)
    told = {"steps": list(steps), "left": LEFT, "right": RIGHT, "last": last, "plots": drawn}
    return json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")
