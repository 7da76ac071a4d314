"""Every generator, as torch-export and as ONNX, makes what it makes in torch: batches of 1 and 7, within 1e-4."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganreg.components import builtin
from ganreg.contracts import DataSpec
from ganreg.errors import ExportError, MissingExtraError
from ganreg.portable import onnx, program
from ganreg.portable.frozen import freeze

from .generators import NARROW, VARIANTS, made

CASES = [*NARROW, *(pytest.param(case, marks=pytest.mark.nightly) for case in VARIANTS)]


@pytest.fixture
def runtime() -> Iterator[object]:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    return pytest.importorskip("onnxruntime")


def test_every_generator_has_its_case():
    assert {one.name for one in builtin.ganreg_components() if one.kind == "generator"} == set(NARROW)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of onnxscript, in its own code
def test_a_generator_makes_the_same_outside_of_torch(case: str, runtime):
    network, spec = made(case)
    frozen = freeze(network, spec)
    graph = program.program(frozen)
    as_program = program.written(graph, {})
    as_onnx = onnx.written(graph, frozen, {"generator": case})

    assert program.check_program(as_program, frozen) <= 1e-5
    session = runtime.InferenceSession(as_onnx, providers=["CPUExecutionProvider"])
    for count in (1, 7):
        inputs = frozen.inputs(count, seed=count + 10)
        given = dict(zip(("z", "labels"), (one.numpy() for one in inputs), strict=False))
        (samples,) = session.run(["samples"], given)
        wanted = frozen(*inputs) if frozen.num_noises else network(*inputs)
        assert samples.shape == (count, *spec.shape)
        assert np.abs(samples - wanted.detach().numpy()).max() <= 1e-4
        assert samples.std() > 0.01
    assert next((one.name, one.shape[0]) for one in session.get_inputs()) == ("z", "batch")
    assert session.get_modelmeta().custom_metadata_map["ganreg"] == f'{{"generator": "{case}"}}'
    assert str(Path(__file__).parents[2]).encode() not in as_onnx


class Plain(nn.Module):
    latent_dim = 2

    def forward(self, z: Tensor) -> Tensor:
        return z * 2


class Bessel(Plain):
    def forward(self, z: Tensor) -> Tensor:
        return torch.special.bessel_j0(z)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_onnx_that_makes_something_else_is_not_handed_over(runtime):
    points = DataSpec((2,))
    frozen = freeze(Plain(), points)
    content = onnx.written(program.program(frozen), frozen, {})

    class Other(Plain):
        def forward(self, z: Tensor) -> Tensor:
            return z * 2 - 0.01

    assert onnx.check_onnx(content, frozen) == 0.0
    with pytest.raises(ExportError, match=r"GR204.*the ONNX is 0\.01 away"):
        onnx.check_onnx(content, freeze(Other(), points))
    with pytest.raises(ExportError, match="onnxruntime does not take it"):
        onnx.check_onnx(content[: len(content) // 2], frozen)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_operator_that_onnx_has_not_is_told(runtime):
    frozen = freeze(Bessel(), DataSpec((2,)))

    with pytest.raises(ExportError, match=r"the ONNX cannot be made: torch\.onnx fails"):
        onnx.written(program.program(frozen), frozen, {})


def test_weights_that_no_onnx_file_holds_are_refused(runtime, monkeypatch: pytest.MonkeyPatch):
    network, spec = made("mlp")
    frozen = freeze(network, spec)
    monkeypatch.setattr(onnx, "MOST_BYTES", 1000)

    with pytest.raises(ExportError, match=r"its weights are [\d,]+ bytes, an ONNX file holds 1,000"):
        onnx.written(program.program(frozen), frozen, {})


def test_without_its_extra_it_is_told_which(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "onnx", None)

    with pytest.raises(MissingExtraError, match=r"needs onnx, which is not installed"):
        onnx.check_installed()
