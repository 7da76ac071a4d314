"""A command line in a fresh directory: `run("train", …)` -> exit status, stdout, stderr."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from ganreg.cli import main

TINY = ("--generator", "mlp", "--dataset", "gaussians", "--steps", "3", "--log-every", "1", "--set", "generator.hidden=[8]")


class Ran(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("GANREG_KERNEL", "reference")
    monkeypatch.setenv("GANREG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("ganreg.ops.library._statuses", {})
    return place


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> Ran:
        capsys.readouterr()
        status = main(list(words))
        return Ran(status, *capsys.readouterr())

    return run


@pytest.fixture
def trained(run: Run) -> Path:
    """A run of three steps on points."""
    ran = run("train", *TINY, "--quiet")
    assert ran.status == 0, ran.err
    return Path(ran.out.strip())


@pytest.fixture
def plugin_file(place: Path) -> Path:
    """A plugin in a single file: a loss, a regularizer, a verb."""
    file = place.parent / "mine.py"
    file.write_text(
        '''
import click
import ganreg
from ganreg.contracts import Component


class Mine:
    def __init__(self, *, strength: float = 2.0, bold: bool = False): ...
    def discriminator(self, real_logits, fake_logits): return fake_logits.mean() - real_logits.mean()
    def generator(self, fake_logits, real_logits=None): return -fake_logits.mean()


class Damp:
    network = "discriminator"
    interval = 1
    def __init__(self, *, weight: float = 1.0): ...
    def penalty(self, context): return context.fake.sum() * 0.0


@ganreg.hookimpl
def ganreg_components():
    yield Component("loss", "mine", "ganreg_plugin_mine:Mine", "My own loss.")
    yield Component("regularizer", "damp", "ganreg_plugin_mine:Damp", "No penalty.")


@ganreg.hookimpl
def ganreg_commands():
    @click.command("greet")
    @click.argument("whom")
    def greet(whom):
        """Say hello."""
        click.echo(f"hello {whom}")

    yield greet
'''
    )
    return file
