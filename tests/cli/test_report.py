"""`ganreg report`: the file it writes, what it says, what it refuses."""

import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest

from tests.report import small

from .conftest import Run


def test_a_run_s_report_lies_in_its_directory(run: Run):
    small.run(Path("runs/one"))
    status, out, err = run("report", "runs/one")

    assert (status, err) == (0, "")
    made = Path("runs/one/report.html")
    assert out == f"{made.stat().st_size / 1000:,.0f} kB: runs/one/report.html\n"
    assert "<h1>one</h1>" in made.read_text(encoding="utf-8")
    assert run("report", "runs/one").status == 0  # written anew


def test_several_runs_side_by_side(run: Run):
    small.run(Path("runs/one"))
    small.run(Path("runs/two"), loss="hinge")
    status, _, err = run("report", "runs/one", "runs/two", "--out", "both.html")

    assert (status, err) == (0, "")
    assert "<h1>one and two</h1>" in Path("both.html").read_text(encoding="utf-8")


def test_a_run_that_was_just_trained(run: Run, trained: Path):
    assert run("report", "latest") == (
        0,
        f"{(trained / 'report.html').stat().st_size / 1000:,.0f} kB: {trained}/report.html\n",
        "",
    )
    made = (trained / "report.html").read_text(encoding="utf-8")
    assert "Done at step 3" in made
    assert "2 ln 2 = 1.386" in made
    assert "ganreg train -c runs/0001/config.yaml" in made


def test_what_is_missing_is_said_and_no_failure(run: Run):
    place = small.run(Path("runs/one"))
    (place / "environment.json").unlink()
    status, _, err = run("report", "runs/one")

    assert (status, err) == (0, "one: environment.json is not there; versions and device are not known\n")


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [
        (["runs/none"], "GR502", 6),
        (["runs/one", "--out", "report.pdf"], "GR100", 2),
        (["runs/one", "--out", "folder.html"], "GR100", 2),
        (["runs/one", "./runs/one"], "GR100", 2),
        (["runs/one"] * 9, "GR100", 2),
        (["latest"], "GR100", 2),
        ([], "GR100", 2),
        (["runs/one", "--out", "file/report.html"], "GR501", 6),
    ],
)
def test_what_cannot_be_is_refused(run: Run, words: list[str], code: str, status: int):
    small.run(Path("runs/one"))
    Path("folder.html").mkdir()
    Path("file").write_text("")
    ran = run("report", *words)

    assert ran.status == status
    assert ran.err.startswith(f"error[{code}]: ")
    assert not Path("runs/one/report.html").exists()


def test_it_opens_a_browser_where_there_is_one(run: Run, monkeypatch: pytest.MonkeyPatch):
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: bool(opened.append(url)))
    small.run(Path("runs/one"))
    ran = run("report", "runs/one", "--open")

    assert opened == [Path("runs/one/report.html").resolve().as_uri()]
    assert (ran.status, ran.err) == (0, "there is no browser to open it with\n")


def test_a_page_that_is_no_report_stays(run: Run):
    small.run(Path("runs/one"))
    Path("index.html").write_text("<title>My thesis</title>")
    ran = run("report", "runs/one", "--out", "index.html")

    assert "error[GR108]: the file is there already, and is no report" in ran.err
    assert Path("index.html").read_text() == "<title>My thesis</title>"
    assert run("report", "runs/one", "--out", "one.html").status == 0
    assert run("report", "runs/one", "--out", "one.html").status == 0  # written anew


def test_neither_verb_imports_torch(place: Path):
    small.run(place / "one")
    small.run(place / "two")
    program = "import sys; from ganreg.cli import main; main(WORDS); sys.exit(17 if 'torch' in sys.modules else 0)"
    for words in (["report", "one", "two"], ["compare", "one", "two"]):
        ran = subprocess.run([sys.executable, "-c", program.replace("WORDS", repr(words))], capture_output=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, b"")
    assert (place / "one" / "report.html").is_file()
