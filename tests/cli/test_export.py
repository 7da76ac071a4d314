"""`ganreg export`: three forms of a run's generator, each whole, compared, and never over something else."""

import json
from pathlib import Path

import pytest
import torch

import ganreg as package

from .conftest import Run


def test_weights_with_all_that_it_takes_to_use_them(run: Run, trained: Path):
    status, out, err = run("export", str(trained))

    assert (status, err) == (0, "")
    assert out.startswith("safetensors of step 3, ")
    assert out.endswith("bytes: runs/0001/export/safetensors\n")
    assert "trained on gaussians" in Path("runs/0001/export/safetensors/README.md").read_text()
    sampled = run("sample", "runs/0001/export/safetensors", "-n", "4", "--out", "a.npz")
    assert (sampled.status, run("sample", str(trained), "-n", "4", "--out", "b.npz").status) == (0, 0)
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes()
    assert run("sample", "runs/0001/export/safetensors", "-n", "4").out.endswith("safetensors/samples/sample-seed0-n4.png\n")


def test_a_program_that_torch_alone_runs(run: Run, trained: Path):
    status, out, err = run("export", "latest", "--format", "torch-export", "--out", "g.pt2", "--batch-max", "9")

    assert (status, err) == (0, "")
    assert "within 0.0e+00 of torch: g.pt2" in out
    z = torch.randn(9, 64)
    torch.testing.assert_close(torch.export.load("g.pt2").module()(z), package.load_generator(trained)(z))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_onnx_of_an_earlier_checkpoint(run: Run):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    words = ("--generator", "mlp", "--set", "generator.hidden=[4]", "--dataset", "gaussians", "--steps", "4")
    assert run("train", *words, "--checkpoint-every", "2", "--out", "r", "--quiet").status == 0
    status, out, err = run("export", "r", "--format", "onnx", "--checkpoint", "2", "--license", "cc-by-4.0")

    assert (status, err) == (0, "")
    assert out.startswith("onnx of step 2, ")
    assert json.loads(Path("r/export/onnx/config.json").read_text())["license"] == "cc-by-4.0"
    assert run("export", "r", "--checkpoint", "3").err.startswith("error[GR502]: there is no checkpoint of step 3: 2, 4\n")


def test_a_file_that_is_there_stays_unless_forced(run: Run, trained: Path):
    Path("g.safetensors").write_text("precious")
    status, out, err = run("export", "latest", "--out", "g.safetensors")

    assert (status, out) == (2, "")
    assert err == "error[GR108]: the file is there already\n  at: g.safetensors\n  fix: add --force, or give another --out\n"
    assert Path("g.safetensors").read_text() == "precious"
    assert run("export", "latest", "--out", "g.safetensors", "--force").status == 0
    assert run("export", "latest", "--out", "folder").status == 0
    assert run("export", "latest", "--out", "folder").status == 2


def test_the_ending_of_out_says_the_format(run: Run, trained: Path):
    ran = run("export", "latest", "--out", "g.pt2", "--batch-max", "9")

    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("torch-export of step 3, ")
    assert Path("g.pt2").is_file()
    ran = run("export", "latest", "--format", "safetensors", "--out", "g.onnx")
    assert (ran.status, ran.err) == (
        2,
        "error[GR100]: --out ends in '.onnx', which is onnx\n  at: --format\n  fix: --format onnx\n",
    )
    assert not Path("g.onnx").exists()


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("nowhere",), 6, "error[GR502]: the run directory does not exist"),
        (("nowhere", "--format", "pickle"), 2, "error[GR100]: Invalid value for '--format'"),
        (("nowhere", "--batch-max", "1"), 2, "error[GR100]: Invalid value for '--batch-max'"),
        (("nowhere", "--license", "all mine"), 2, "error[GR100]: a license is an identifier"),
    ],
)
def test_what_cannot_be_is_refused(run: Run, words: tuple[str, ...], status: int, told: str):
    ran = run("export", *words)

    assert (ran.status, ran.out) == (status, "")
    assert ran.err.startswith(told)


def test_a_missing_extra_is_told_before_anything_is_written(run: Run, trained: Path, monkeypatch: pytest.MonkeyPatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    status, out, err = run("export", "latest", "--format", "onnx")

    assert (status, out) == (2, "")
    assert err == (
        "error[GR109]: --format onnx needs onnx, which is not installed\n"
        "  at: --format onnx\n  fix: pip install 'ganreg[export]'\n"
    )
    assert not (trained / "export").exists()
