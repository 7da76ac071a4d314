"""A run of a few steps on small pictures, and a hub on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import ganreg
from ganreg.assembly.load import Trained, load_trained

from .fake_hub import TOKEN, Hub, running


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "mine"
    digits = ganreg.create("dataset", "digits", resolution=8)
    made = {"hidden": (8,), "conditioning": "concat"}
    gan = ganreg.GAN(
        ganreg.create("generator", "mlp", spec=digits.spec, latent_dim=4, **made),
        ganreg.create("discriminator", "mlp", spec=digits.spec, **made),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANREG_KERNEL", "reference")
        ganreg.train_gan(gan, digits, steps=4, checkpoint_every=2, out=run, progress=False)
    return run


@pytest.fixture
def trained(run_dir: Path) -> Trained:
    return load_trained(run_dir)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """With a login that the real tool never sees."""
    pytest.importorskip("huggingface_hub", reason="pip install 'ganreg[hub]'")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)  # its servers speak a protocol of their own
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with running() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub
