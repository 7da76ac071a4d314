"""An export is written whole or not at all, and never over something else."""

import errno
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganreg
from ganreg.assembly import exported
from ganreg.assembly.load import Trained, load_trained
from ganreg.engine.sampling import Labels
from ganreg.errors import ExportError, RunBusyError, RunExistsError, StorageError
from ganreg.sharing import folder, placing


def test_the_folder_does_what_the_run_does(trained: Trained, tmp_path: Path):
    folder.write(folder.export(trained, "safetensors"), tmp_path / "e")
    again = load_trained(tmp_path / "e")

    assert sorted(one.name for one in (tmp_path / "e").iterdir()) == [
        "README.md",
        "config.json",
        "generator.safetensors",
        "manifest.json",
        "samples.png",
    ]
    assert torch.equal(again.sample(5, seed=3), trained.sample(5, seed=3))
    assert torch.equal(again.sample(5, seed=3, classes=[7]), trained.sample(5, seed=3, classes=[7]))
    with Image.open(tmp_path / "e" / "samples.png") as picture:
        assert picture.format == "PNG"
    exported.verify(tmp_path / "e")
    assert "README.md" not in exported.manifest(tmp_path / "e")


def test_no_place_of_this_machine_is_in_any_file(trained: Trained, tmp_path: Path):
    made = folder.export(trained, "safetensors")
    places = [str(trained.path), str(Path.home()), str(Path(__file__).parents[2])]

    assert [(name, place) for name, one in made.files.items() for place in places if place.encode() in one] == []


def test_a_program_is_told_as_close_as_it_is_and_needs_no_folder(trained: Trained, tmp_path: Path):
    made = folder.export(trained, "torch-export", batch_max=16)
    folder.write(made, tmp_path / "deep" / "g.pt2")

    assert made.difference == 0.0
    assert [one.name for one in (tmp_path / "deep").iterdir()] == ["g.pt2"]
    again = torch.export.load(tmp_path / "deep" / "g.pt2").module()
    z, labels = torch.randn(3, 4), torch.tensor([0, 5, 9])
    torch.testing.assert_close(again(z, labels), trained.generator(z, labels))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_export_becomes_an_onnx_and_says_the_same_of_itself(trained: Trained, tmp_path: Path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    folder.write(folder.export(trained, "safetensors", license="mit"), tmp_path / "e")
    made = folder.export(load_trained(tmp_path / "e"), "onnx")

    session = runtime.InferenceSession(made.files["generator.onnx"], providers=["CPUExecutionProvider"])
    z = np.random.default_rng(0).standard_normal((2, 4), dtype=np.float32)
    (samples,) = session.run(["samples"], {"z": z, "labels": np.array([3, 4])})
    with torch.no_grad():
        np.testing.assert_allclose(samples, trained.generator(torch.from_numpy(z), torch.tensor([3, 4])), atol=1e-4)
    first = exported.about(tmp_path / "e")
    assert json.loads(made.files["config.json"]) == json.loads(first.text())
    assert first.license == "mit"


def test_what_is_there_stays_unless_it_is_an_export_and_forced(trained: Trained, tmp_path: Path):
    made = folder.export(trained, "safetensors")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("precious")
    (tmp_path / "e").mkdir()

    for force in (False, True):
        with pytest.raises(RunExistsError, match=r"GR108.*there is something else already"):
            folder.write(made, tmp_path / "home", force=force)
    folder.write(made, tmp_path / "e")  # an empty folder is nothing
    with pytest.raises(RunExistsError, match="there is an export already"):
        folder.write(made, tmp_path / "e")
    (tmp_path / "e" / "notes.txt").write_text("mine")
    (tmp_path / "e" / "generator.safetensors").write_bytes(b"damaged")
    folder.write(made, tmp_path / "e", force=True)

    exported.verify(tmp_path / "e")
    assert (tmp_path / "e" / "notes.txt").read_text() == "mine"
    assert (tmp_path / "home" / "thesis.txt").read_text() == "precious"
    (tmp_path / "g.safetensors").write_text("precious")
    with pytest.raises(RunExistsError, match="the file is there already"):
        folder.write(made, tmp_path / "g.safetensors")
    assert not [one.name for one in tmp_path.iterdir() if one.name.startswith(".")]


@pytest.mark.parametrize("point", ["open", "write", "fsync", "rename"])
def test_a_disk_that_fails_leaves_the_export_of_before(trained: Trained, tmp_path: Path, point: str, monkeypatch):
    made = folder.export(trained, "safetensors")
    folder.write(made, tmp_path / "e")
    before = (tmp_path / "e" / "manifest.json").read_bytes()
    monkeypatch.setattr("ganreg.engine.durable._passed", Counter())
    monkeypatch.setenv("GANREG_FAIL", f"{point}:ENOSPC")

    with pytest.raises(StorageError, match=r"GR501.*No space left on device; it takes [\d,]+ bytes, [\d,]+ are free") as told:
        folder.write(made, tmp_path / "e", force=True)
    assert isinstance(told.value.__cause__, OSError)
    assert told.value.__cause__.errno == errno.ENOSPC
    monkeypatch.delenv("GANREG_FAIL")
    exported.verify(tmp_path / "e")
    assert (tmp_path / "e" / "manifest.json").read_bytes() == before
    folder.write(made, tmp_path / "e", force=True)  # and what was left behind harms nothing


def test_what_keeps_an_export_from_being_written_is_not_always_room(trained: Trained, tmp_path: Path, monkeypatch):
    made = folder.export(trained, "safetensors")
    monkeypatch.setattr("ganreg.engine.durable._passed", Counter())
    monkeypatch.setenv("GANREG_FAIL", "open:EACCES")

    with pytest.raises(StorageError) as told:
        folder.write(made, tmp_path / "e")
    assert told.value.what == "the export cannot be written: Permission denied"
    assert told.value.fix == "give another --out"


def test_a_generator_that_is_no_graph_says_so(trained: Trained, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(type(trained.generator), "exportable", False, raising=False)

    with pytest.raises(ExportError, match=r"exportable = False"):
        folder.export(trained, "torch-export")
    assert folder.export(trained, "safetensors").difference is None


def test_a_setting_that_names_a_place_of_this_machine_is_refused_for_weights(trained: Trained, monkeypatch: pytest.MonkeyPatch):
    about = folder.known_of(trained)
    part = about.generator.model_copy(update={"settings": {"table": "/home/me/table.bin"}})
    monkeypatch.setattr(folder, "known_of", lambda _: about.model_copy(update={"generator": part}))

    with pytest.raises(ExportError, match=r"the generator's setting table names a place of this machine"):
        folder.export(trained, "safetensors")
    assert b"/home/me" not in folder.export(trained, "torch-export").files["config.json"]


def test_points_are_shown_as_a_picture_and_stranger_things_not_at_all(tmp_path: Path):
    for spec, shown in ((ganreg.DataSpec((2,)), True), (ganreg.DataSpec((5,)), False)):
        network = ganreg.create("generator", "mlp", spec=spec, hidden=[4], latent_dim=3)
        content, how = folder._samples(Trained(network.eval(), spec, Labels(), tmp_path))
        assert (content is not None) is shown
        assert how.startswith("1,000 samples of seed 0") is shown


def test_a_class_whose_name_is_in_no_encoding_is_shown_in_the_card(trained: Trained, tmp_path: Path, monkeypatch):
    """Python reads such a folder's name as lone surrogates, which no file can hold."""
    names = ("\udcff", *"123456789")
    monkeypatch.setattr(folder, "needs_labels", lambda *_: True)
    odd = replace(trained, labels=replace(trained.labels, names=names))
    folder.write(folder.export(odd, "safetensors"), tmp_path / "e")

    assert exported.about(tmp_path / "e").class_names == list(names)
    assert "0 \\udcff, 1 1, 2 2" in (tmp_path / "e" / "README.md").read_text()


def test_two_at_once_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    take_place, files = placing.take_place, {"config.json": b"{}", "generator.safetensors": b"first"}

    def while_another_begins(part: Path, out: Path) -> None:
        with pytest.raises(RunBusyError, match="another process writes this export"):
            folder.put({"config.json": b"{}", "generator.safetensors": b"second"}, out)
        take_place(part, out)

    monkeypatch.setattr(placing, "take_place", while_another_begins)
    folder.put(files, tmp_path / "e")

    assert (tmp_path / "e" / "generator.safetensors").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["e"]
