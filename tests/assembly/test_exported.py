"""A folder that was exported is read like anybody's: verified, and never as code."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

import ganreg
from ganreg.assembly import exported
from ganreg.assembly.exported import About, Part, Spec
from ganreg.assembly.load import load_trained
from ganreg.errors import CheckpointError, PluginError, SettingsError, UnknownNameError

SETTINGS = {"hidden": [4], "latent_dim": 3, "conditioning": "none"}


def write(folder: Path, about: About, tensors: dict[str, torch.Tensor] | None = None) -> Path:
    """An export by hand: what another program, or an attacker, may write."""
    made = ganreg.create("generator", "mlp", spec=ganreg.DataSpec((2,), 3), hidden=[4], latent_dim=3)
    files = {"config.json": about.text().encode(), "generator.safetensors": save(tensors or made.state_dict())}
    folder.mkdir(exist_ok=True)
    for name, content in {**files, "manifest.json": exported.manifest_of(files)}.items():
        (folder / name).write_bytes(content)
    return folder


def said(**changes: object) -> About:
    part = Part(name="mlp", settings=SETTINGS, distribution="ganreg", version=ganreg.__version__)
    about = About(
        ganreg="0.1.0", torch="2.13.0", generator=part, spec=Spec(shape=(2,), num_classes=3), latent_dim=3, step=1, images=64
    )
    return about.model_copy(update=changes)


def test_it_is_loaded_and_sampled_like_a_run(tmp_path: Path):
    trained = load_trained(write(tmp_path / "e", said(label_shares=[0.0, 1.0, 0.0])))

    assert trained.sample(5, seed=1).shape == (5, 2)
    assert torch.equal(trained.sample(5, seed=1), trained.sample(5, seed=1))
    assert trained.labels.draw(4, torch.Generator()).tolist() == [1] * 4
    assert trained.pictures == tmp_path / "e" / "samples"
    assert not ganreg.load_generator(tmp_path / "e").training


@pytest.mark.parametrize("name", ["config.json", "generator.safetensors"])
def test_one_flipped_bit_is_found_and_both_digests_shown(tmp_path: Path, name: str):
    path = write(tmp_path / "e", said()) / name
    content = path.read_bytes()
    path.write_bytes(content[:20] + bytes([content[20] ^ 1]) + content[21:])

    with pytest.raises(CheckpointError, match=r"GR502.*damaged: its sha256 is [0-9a-f]{64}, the manifest says"):
        load_trained(tmp_path / "e")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "other"}, "it describes no exported generator"),
        ({"format_version": 2}, "the export has format 2, this ganreg reads 1"),
        ({"format_version": "one"}, "its format_version is no number"),
        ({"latent_dim": 0}, "latent_dim: "),
        ({"spec": {"shape": []}}, "spec.shape: "),
        ({"class_names": ["cat"]}, "class_names: a name for each class"),
        ({"label_shares": [1.0]}, "label_shares: one share for each class"),
        ({"label_shares": [0.0, 0.0, 0.0]}, "label_shares: one share for each class"),
        ({"generator": "os:system"}, "generator: "),
    ],
)
def test_a_configuration_that_says_something_else_is_refused(tmp_path: Path, change: dict[str, object], told: str):
    folder = write(tmp_path / "e", said())
    text = json.dumps({**json.loads(said().text()), **change}).encode()
    (folder / "config.json").write_bytes(text)
    files = {"config.json": text, "generator.safetensors": (folder / "generator.safetensors").read_bytes()}
    (folder / "manifest.json").write_bytes(exported.manifest_of(files))

    with pytest.raises(CheckpointError, match=told):
        load_trained(folder)


@pytest.mark.parametrize("name", ["os:system", "../x.py", "__import__", "https://x/y"])
def test_a_name_from_elsewhere_imports_nothing(tmp_path: Path, name: str):
    about = said(generator=Part(name=name, settings={}, plugin_file="", distribution=""))

    with pytest.raises(UnknownNameError):
        load_trained(write(tmp_path / "e", about))


def test_a_generator_of_a_plugin_says_which_to_install(tmp_path: Path):
    about = said(generator=Part(name="fourier", distribution="ganreg-moons", version="1.2"))
    alone = said(generator=Part(name="fourier", plugin_file="mine.py", sha256="ab"))

    with pytest.raises(PluginError) as told:
        load_trained(write(tmp_path / "e", about))
    assert told.value.fix == "pip install ganreg-moons==1.2"
    with pytest.raises(PluginError, match=r"came with the single file 'mine\.py', which is not loaded"):
        load_trained(write(tmp_path / "f", alone))


def test_settings_and_weights_that_do_not_fit_are_refused(tmp_path: Path):
    wide = said(generator=Part(name="mlp", settings={**SETTINGS, "width": 3}, distribution="ganreg", version="0.1.0"))

    with pytest.raises(SettingsError, match="width"):
        load_trained(write(tmp_path / "e", wide))
    with pytest.raises(CheckpointError, match="the weights do not fit the generator"):
        load_trained(write(tmp_path / "f", said(), {"a": torch.zeros(1)}))


def test_a_table_without_end_is_refused_unread(tmp_path: Path):
    folder = write(tmp_path / "e", said())
    huge = (2**40).to_bytes(8, "little") + b"{}"
    (folder / "generator.safetensors").write_bytes(huge)
    files = {"config.json": (folder / "config.json").read_bytes(), "generator.safetensors": huge}
    (folder / "manifest.json").write_bytes(exported.manifest_of(files))

    with pytest.raises(CheckpointError, match="its table is longer than"):
        load_trained(folder)


@pytest.mark.parametrize("name", ["../../x.json", "a/b.json", "x.py", ".hidden.json", "x.pkl", "manifest.json"])
def test_a_manifest_of_other_than_plain_files_is_refused(tmp_path: Path, name: str):
    folder = write(tmp_path / "e", said())
    (folder / "manifest.json").write_bytes(exported.manifest_of({name: b""}))

    with pytest.raises(CheckpointError, match="it does not list files by plain names"):
        exported.verify(folder)


def test_a_graph_is_no_weights(tmp_path: Path):
    folder = write(tmp_path / "e", said())
    files = {"config.json": said().text().encode(), "generator.onnx": b"graph"}
    (folder / "generator.onnx").write_bytes(b"graph")
    (folder / "manifest.json").write_bytes(exported.manifest_of(files))

    with pytest.raises(CheckpointError, match=r"the export holds generator\.onnx, not generator\.safetensors"):
        load_trained(folder)
    exported.verify(folder)
    (folder / "generator.onnx").unlink()
    with pytest.raises(CheckpointError, match="the file is missing"):
        exported.verify(folder)
    (folder / "generator.onnx").mkdir()
    with pytest.raises(CheckpointError, match="it is no plain file"):
        exported.verify(folder)


def test_a_key_of_a_later_version_is_left_alone(tmp_path: Path):
    folder = write(tmp_path / "e", said())
    text = json.dumps({**json.loads(said().text()), "later": 1}).encode()
    (folder / "config.json").write_bytes(text)
    files = {"config.json": text, "generator.safetensors": (folder / "generator.safetensors").read_bytes()}
    (folder / "manifest.json").write_bytes(exported.manifest_of(files))

    assert load_trained(folder).spec.num_classes == 3
