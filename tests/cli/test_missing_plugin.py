"""A run that was made with a plugin, after the plugin has gone."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ganreg import registry

from .conftest import TINY, Run

SOURCE = """
import ganreg
from ganreg.components.generators.mlp import MLPGenerator
from ganreg.components.losses.hinge import Hinge
from ganreg.contracts import Component


@ganreg.hookimpl
def ganreg_components():
    yield Component("loss", "own-hinge", "ganreg_own_plugin:Hinge", "Margin loss.")
    yield Component("generator", "own-mlp", "ganreg_own_plugin:MLPGenerator", "Layers.")
"""


@pytest.fixture
def made(run: Run, plugin: Callable[..., Path]) -> tuple[Path, Path]:
    """A run with a generator and a loss of ganreg-own 1.2, and where that is installed."""
    site = plugin("own", SOURCE, version="1.2")
    words = [word if word != "mlp" else "own-mlp" for word in TINY]
    ran = run("train", *words, "--discriminator", "mlp", "--loss", "ganreg-own:own-hinge", "--quiet")
    assert ran.status == 0, ran.err
    return Path(ran.out.strip()), site


@pytest.fixture
def uninstall(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    def remove(site: Path) -> None:
        sys.path.remove(str(site))
        sys.modules.pop("ganreg_own_plugin", None)
        registry._current = None

    return remove


def test_going_on_names_what_is_missing_and_how_to_get_it(run: Run, made: tuple[Path, Path], uninstall: Callable[[Path], None]):
    out, site = made
    uninstall(site)

    ran = run("train", "--resume", str(out), "--steps", "5")

    assert (ran.status, ran.out) == (3, "")
    assert ran.err == (
        "error[GR201]: generator 'own-mlp' came with ganreg-own 1.2, which is not installed\n"
        "  at: generator.own-mlp\n"
        "  fix: pip install ganreg-own==1.2\n"
    )


def test_samples_need_the_generator_alone(run: Run, made: tuple[Path, Path], uninstall: Callable[[Path], None]):
    out, site = made
    (site / "ganreg_own_plugin.py").write_text(SOURCE.replace('yield Component("loss"', 'Component("loss"'))
    uninstall(site)
    sys.path.insert(0, str(site))
    without_loss = run("sample", str(out), "--out", "points.npz")
    uninstall(site)
    without_all = run("sample", str(out), "--out", "others.npz")

    assert without_loss.status == 0, without_loss.err
    assert without_all.status == 3
    weights = max(out.glob("checkpoints/*/ema.safetensors"))
    assert f"fix: pip install ganreg-own==1.2; the weights alone are in {weights}\n" in without_all.err


def test_the_weights_can_be_had_without_what_made_them(
    run: Run, made: tuple[Path, Path], uninstall: Callable[[Path], None], tmp_path: Path
):
    out, site = made
    whole = run("export", str(out), "--out", "weights.safetensors")
    uninstall(site)
    ran = run("export", str(out), "--out", "others.safetensors")
    named = Path(ran.err.rpartition("the weights alone are in ")[2].strip())
    kept, exported = load_file(named), load_file("weights.safetensors")

    assert (whole.status, ran.status) == (0, 3)
    assert kept.keys() == exported.keys()
    assert all(torch.equal(kept[name], exported[name]) for name in kept)


@pytest.mark.filterwarnings("ignore:plugin ganreg-own 1.2")
def test_a_plugin_that_is_there_and_cannot_be_used_is_not_to_be_installed_again(run: Run, made: tuple[Path, Path]):
    out, site = made
    blocked = run("--no-plugin", "own", "train", "--resume", str(out), "--steps", "5")
    (site / "ganreg_own_plugin.py").write_text("import no_such_module\n")
    sys.modules.pop("ganreg_own_plugin")
    broken = run("train", "--resume", str(out), "--steps", "5")

    assert blocked.status == broken.status == 3
    assert "came with ganreg-own 1.2, which is left out by --no-plugin or GANREG_PLUGINS" in blocked.err
    assert "pip install" not in blocked.err + broken.err
    assert "error[GR201]: plugin ganreg-own 1.2 (own) failed to load: ModuleNotFoundError" in broken.err


def test_a_version_that_offers_it_no_more_is_told(run: Run, made: tuple[Path, Path]):
    out, site = made
    info = site / "ganreg_own-1.2.dist-info"
    info.rename(site / "ganreg_own-2.0.dist-info")
    (site / "ganreg_own-2.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: ganreg-own\nVersion: 2.0\n")
    (site / "ganreg_own_plugin.py").write_text(SOURCE.replace("own-mlp", "newer-mlp"))
    sys.modules.pop("ganreg_own_plugin")

    ran = run("train", "--resume", str(out), "--steps", "5")

    assert ran.status == 3
    assert "generator 'own-mlp' came with ganreg-own 1.2, which does not offer it as 2.0" in ran.err
    assert "fix: pip install ganreg-own==1.2" in ran.err
