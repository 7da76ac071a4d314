"""Fixtures for the tests of plugins; pytest finds them wherever ganreg is installed.

def test_it_trains(ganreg_train):
    result = ganreg_train(loss="focal", loss_settings={"gamma": 1.0})
    assert result.history["loss_d"][-1] < 10

def test_its_settings_are_shown(ganreg_run):
    assert "--loss.gamma" in ganreg_run("show", "loss", "focal").out
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from ganreg.assembly.launch import Result
    from ganreg.contracts import Kind


class Ran(NamedTuple):
    """A command line that has ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def ganreg_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """`ganreg_run("list", "losses")`: a command line in this process -> exit status, stdout, stderr."""
    from ganreg import registry
    from ganreg.cli import main

    monkeypatch.setattr(registry, "_current", registry._current)  # whatever is left out there is back afterwards

    def run(*words: str) -> Ran:
        capsys.readouterr()
        status = main(list(words))
        return Ran(status, *capsys.readouterr())

    return run


@pytest.fixture
def ganreg_train() -> Callable[..., Result]:
    """`ganreg_train(loss="focal", steps=5)`: a short training without a trace on disk -> what `train_gan` returns.

    A generator, discriminator, loss, dataset, augmentation or optimizer (of both networks) is an object or a name, with
    `_settings` behind the kind for its settings; `regularizers` is a list of either.  By default small perceptrons learn
    points; all else goes to `train_gan`.
    """
    from ganreg.assembly import train_gan
    from ganreg.contracts import GAN
    from ganreg.registry import create

    def train(**asked: Any) -> Result:
        def part(kind: Kind, default: str, **given: Any) -> Any:
            chosen, settings = asked.pop(kind, default), asked.pop(f"{kind}_settings", {})
            return create(kind, chosen, **given, **settings) if isinstance(chosen, str) else chosen

        dataset = part("dataset", "gaussians")
        networks = part("generator", "mlp", spec=dataset.spec), part("discriminator", "mlp", spec=dataset.spec)
        asked["loss"] = part("loss", "bce")
        given = asked.pop("regularizers", ())
        asked["regularizers"] = [create("regularizer", one) if isinstance(one, str) else one for one in given]
        if "optimizer" in asked:
            name, its = asked.pop("optimizer"), asked.pop("optimizer_settings", {})
            for network in ("generator", "discriminator"):
                asked[f"{network}_optimizer"] = lambda params: create("optimizer", name, params, **its)
        if "augmentation" in asked:
            asked["augmentation"] = part("augmentation", "", spec=dataset.spec)
        settings = {"steps": 3, "batch_size": 8, "precision": "fp32", "device": "cpu", "progress": False, "log_every": 1}
        return train_gan(GAN(*networks), dataset, **{**settings, **asked})

    return train
