"""The page: one file, nothing fetched, nothing hostile let through, whatever is in the run directory."""

import os
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ganreg.errors import StorageError
from ganreg.report.page import page, write
from ganreg.report.reading import read

from .small import PROTOCOL, evaluation, lines, row, run


class Outline(HTMLParser):
    """Tags that are open, ids, and the text of scripts and styles."""

    VOID = ("meta", "link", "img", "input", "br", "path", "line", "circle")

    def __init__(self, made: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.inside: list[tuple[str, str]] = []
        self.feed(made)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            self.inside.append((self.open[-1], data))


def test_the_page_is_well_formed_and_every_reference_inside_it_leads_somewhere(tmp_path: Path):
    outline = Outline(page([read(run(tmp_path / "a")), read(run(tmp_path / "b"))]))

    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    pointing = [value for name, value in outline.attributes if name in ("for", "aria-labelledby", "aria-describedby")]
    assert set(pointing) <= set(outline.ids)
    assert len(pointing) > 10


def test_the_policy_lets_in_our_own_style_and_script_alone(tmp_path: Path):
    made = page([read(run(tmp_path / "a"))])
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', made)
    assert policy is not None
    outline = Outline(made)
    hashes = {f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}" for _, text in outline.inside}

    assert policy[1].startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert set(re.findall(r"sha256-[\w+/=]+", policy[1])) <= hashes
    assert len(re.findall(r"sha256-[\w+/=]+", policy[1])) == 2
    assert "unsafe" not in policy[1]


def test_nothing_in_it_points_outside(tmp_path: Path):
    outline = Outline(page([read(run(tmp_path / "a"))]))
    links = [value for name, value in outline.attributes if name in ("src", "href", "srcset", "action")]

    assert links
    assert all(link.startswith("data:") for link in links)
    assert not any(name == "style" or name.startswith("on") for name, _ in outline.attributes)
    assert not any("url(" in text or "@import" in text or "http" in text for _, text in outline.inside)


HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\x1b]0;x\x07"


def test_hostile_names_stay_text(tmp_path: Path):
    """FAULTS Q8: names of runs, parts, plugins, metrics, and words."""
    place = run(tmp_path / "<img src=x onerror=alert(1)><script>")
    (place / "config.yaml").write_text('loss:\n  name: "</style><script>alert(1)</script>"\n"<b>": 1\n')
    (place / "environment.json").write_text(
        '{"plugins": [{"name": "</script><script>alert(3)</script>", "version": "\\u001b[31m"}]}'
    )
    (place / "words.jsonl").write_text(lines({"step": 1, "told": HOSTILE}))
    told = evaluation(400, 1.0, HOSTILE, protocol={**PROTOCOL, "<b>": HOSTILE}, extractor=HOSTILE)
    (place / "evaluations.jsonl").write_text(lines(told, {**told, "step": 500}, evaluation(1, None, "x", reason=HOSTILE)))
    (place / "metrics.jsonl").write_text(lines(row(1, **{"penalty_<script>": 1.0}), row(2, **{"penalty_<script>": 2.0})))
    (place / "exit.json").write_text('{"code": 5, "error": "<script>alert(4)</script>", "checkpoint": "<b>"}')
    made = page([read(place)])
    outline = Outline(made)

    assert outline.open == []
    assert made.count("<script") == 2
    assert "<b>x" not in made
    assert "<img src=x" not in made
    assert "\x1b" not in made
    assert not any(name.startswith("on") for name, _ in outline.attributes)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda place: (place / "exit.json").unlink(),
        lambda place: (place / "metrics.jsonl").unlink(),
        lambda place: (place / "metrics.jsonl").write_text('{"step": 1}\n{"ste'),
        lambda place: (place / "environment.json").write_bytes(b"\xff"),
        lambda place: (place / "config.yaml").write_text("a: [1"),
        lambda place: [file.unlink() for file in (place / "samples").iterdir()],
        lambda place: (place / "samples" / "step-00000100.png").write_bytes(b"no picture"),
        lambda place: (place / "evaluations.jsonl").write_text('{"step": 1, "metric": "x", "value": "y", "protocol": 7}\n[]\n'),
        lambda place: (place / "metrics.jsonl").write_text(lines(row(1, loss_d=1e308, loss_g=-1e308), row(2))),
    ],
)
def test_a_partial_or_damaged_run_gives_a_report_all_the_same(tmp_path: Path, spoil):
    place = run(tmp_path / "mine")
    spoil(place)
    made = page([read(place), read(run(tmp_path / "other"))])

    assert Outline(made).open == []
    assert Outline(page([read(place)])).open == []


def test_every_subset_of_files_gives_a_report(tmp_path: Path):
    names = ["config.yaml", "environment.json", "metrics.jsonl", "exit.json"]
    for mask in range(1, 2 ** len(names)):
        place = run(tmp_path / str(mask), steps=100)
        for index, name in enumerate(names):
            if not mask >> index & 1:
                (place / name).unlink()
        assert Outline(page([read(place)])).open == []


def test_a_long_log_makes_a_small_page_and_says_what_was_left_out(tmp_path: Path):
    place = run(tmp_path / "long")
    (place / "metrics.jsonl").write_text(lines(*(row(step, loss_d=1 + step % 13 / 10) for step in range(1, 8001))))
    made = page([read(place)])

    assert len(made) < 300_000
    assert "Of 8,000 logged steps at most 400 points a line are drawn" in made
    assert "Bold: the mean of 201 logged values" in made


def test_a_report_replaces_the_one_before_and_leaves_nothing_else(tmp_path: Path):
    record = read(run(tmp_path / "mine"))
    target = tmp_path / "out" / "report.html"
    first = write([record], target)

    assert write([record], target) == first == target.stat().st_size
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]
    assert target.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_link_at_the_target_is_replaced_and_not_followed(tmp_path: Path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "report.html").symlink_to(precious)
    write([read(run(tmp_path / "mine"))], tmp_path / "report.html")

    assert precious.read_text() == "mine"
    assert not (tmp_path / "report.html").is_symlink()


def test_a_target_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="the report cannot be written") as raised:
        write([read(run(tmp_path / "mine"))], tmp_path / "file" / "report.html")

    assert raised.value.code == "GR501"
