"""A plugin's own functor: as good as one of ours where it compiles, its formula where it does not."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

import ganreg
from ganreg.errors import KernelError, UsageError
from ganreg.ops import fused_loss, jit, library
from ganreg.ops.pointwise_loss import pointwise_loss, pointwise_loss_pair
from ganreg.statistics import logit_statistics

AGAIN = """
// Half the squared distance from the label, times w: least squares again, so that ours says what is right.
template <typename V>
struct Again {
  V label, weight;

  GANREG_INLINE Again(V y, V w) : label(y), weight(w) {}

  GANREG_INLINE Contribution<V> operator()(const Logit<V>& logit) const {
    const V d = logit.x - label;
    return {weight * (V(0.5) * d * d), weight * d};
  }
};
"""


def formula(x: Tensor, label: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    return weight * (x - label).square() / 2, weight * (x - label)


@pytest.fixture
def make(tmp_path: Path):
    def make(text: str = AGAIN, name: str = "again", struct: str = "Again") -> ganreg.FusedLoss:
        (tmp_path / "again.h").write_text(text)
        return ganreg.FusedLoss(name, struct=struct, functor=tmp_path / "again.h", formula=formula)

    return make


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch):
    def build(*_):
        raise jit.BuildError("no C++ compiler: 'c++' is not on PATH")

    monkeypatch.setattr(jit, "build", build)
    monkeypatch.setattr(fused_loss, "_statuses", {})
    monkeypatch.setattr(library, "_told", set())


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return (3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))).to(dtype)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_it_has_the_bits_of_the_same_functor_of_ours(make):
    loss = make()
    if loss.status().kind == "reference":
        pytest.skip(loss.status().reason)
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        for shape in ((0,), (1,), (17,), (4097,), (3, 1, 5, 5)):
            real, fake = draw(*shape, seed=1, dtype=dtype), draw(*shape, seed=2, dtype=dtype)
            mine = loss.pair(real, fake, real_target=1.0, fake_target=0.25, scale=3.0)
            ours = pointwise_loss_pair(real, fake, loss="least-squares", real_target=1.0, fake_target=0.25, scale=3.0)
            for got, right in zip((mine.value, *mine.grads, *mine[2:]), (ours.value, *ours.grads, *ours[2:]), strict=True):
                torch.testing.assert_close(got, right, rtol=0, atol=0, equal_nan=True)
    halved = loss.single(draw(9), target=1.0, parameter=0.5)
    whole = pointwise_loss(draw(9), loss="least-squares", target=1.0)
    assert halved.value * 2 == whole.value
    assert torch.equal(halved.grads[0] * 2, whole.grads[0])


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_it_travels_to_another_process_also_after_use(make):
    loss, x = make(), draw(5)
    asked = {"target": 1.0, "parameter": 0.5}
    value = loss.single(x, **asked).value

    assert torch.equal(pickle.loads(pickle.dumps(loss)).single(x, **asked).value, value)


def test_logits_that_autograd_watches_and_a_scale_on_the_device_are_taken(make):
    logits = draw(5).requires_grad_()
    found = make().single(logits, target=0.0, scale=torch.tensor(2.0), reduction="sum")

    assert torch.equal(found.grads[0], 2 * logits.detach())
    assert not found.value.requires_grad


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_the_formula_computes_and_one_line_says_why(make, capsys: pytest.CaptureFixture[str]):
    loss = make()
    for _ in range(2):
        found = loss.pair(torch.tensor([3.0]), torch.tensor([0.5]), real_target=1.0, fake_target=0.0, scale=2.0)

    assert found.value.item() == 2.125
    assert [grad.item() for grad in found.grads] == [4.0, 1.0]
    torch.testing.assert_close(found.statistics, logit_statistics(torch.tensor([3.0]), torch.tensor([0.5]), found.value))
    assert capsys.readouterr().err == "ganreg: the loss 'again' runs on its formula: no C++ compiler: 'c++' is not on PATH\n"


@pytest.mark.usefixtures("no_compiler")
def test_where_the_native_kernel_is_required_there_is_no_formula(make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GANREG_KERNEL", "native")

    with pytest.raises(KernelError, match="no C\\+\\+ compiler"):
        make().single(draw(3), target=1.0)


def test_a_library_that_torch_cannot_load_is_told_and_the_formula_computes(make, monkeypatch, tmp_path: Path, capsys):
    (tmp_path / "other.so").write_bytes(b"built for another machine")
    monkeypatch.setattr(jit, "build", lambda *_: jit.Build(tmp_path / "other.so", "c++"))
    monkeypatch.setattr(fused_loss, "_statuses", {})
    monkeypatch.setattr(library, "_told", set())

    assert make().single(torch.tensor([3.0]), target=1.0).value.item() == 2.0
    assert "the loss 'again' runs on its formula: other.so does not load: " in capsys.readouterr().err


@pytest.mark.timeout(400)
def test_a_functor_that_does_not_compile_says_where_its_log_is(make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys):
    monkeypatch.setenv("GANREG_CACHE", str(tmp_path / "cache"))
    loss = make(AGAIN.replace("logit.x - label", "logit.y - label"))
    status = loss.status()

    if "no C++ compiler" in status.reason:
        pytest.skip(status.reason)
    assert status.kind == "reference"
    assert status.reason.startswith("the loss 'again' does not compile (log: ")
    assert "logit.y" in status.log.read_text() or "'y'" in status.log.read_text()
    assert loss.single(torch.tensor([3.0]), target=1.0).value.item() == 2.0
    assert "runs on its formula" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        ({"target": "1"}, TypeError, "expected a target or the parameter to be a number, got str"),
        ({"target": 1.0, "scale": torch.ones(2)}, ValueError, "expected scale to be a number or a 0-dim tensor"),
        ({"target": 1.0, "parameter": torch.tensor(1.0)}, TypeError, "to be a number, got a tensor"),
    ],
)
def test_arguments_are_looked_at_as_ours_are(make, settings, error, told):
    with pytest.raises(error, match=told):
        make().single(draw(3), **settings)


def test_whole_numbers_are_no_logits(make):
    with pytest.raises(TypeError, match="expected logits of float64"):
        make().single(torch.tensor([1, 2]), target=1.0)


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"name": "Again"}, "lower case letters"), ({"struct": "Other"}, "to hold 'struct Other'")],
)
def test_a_name_or_struct_that_cannot_be_is_refused_at_once(make, settings, told):
    with pytest.raises(ValueError, match=told):
        make(**settings)


def test_a_file_that_includes_others_is_refused(make):
    with pytest.raises(ValueError, match="to include nothing"):
        make("#include <cmath>\n" + AGAIN)


@pytest.mark.usefixtures("no_compiler")
def test_what_it_cannot_differentiate_or_reduce_is_refused(make):
    loss = make()
    with pytest.raises(NotImplementedError, match="use the scalar methods"):
        torch.func.grad(lambda x: loss.single(x, target=1.0).value)(draw(3))
    with pytest.raises(ValueError, match="expected a reduction of mean or sum"):
        loss.pair(draw(3), draw(3), real_target=1.0, fake_target=0.0, reduction="none")


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("asked", "told"), [("scalar", "scalar"), ("bogus", "GANREG_CPU: expected one of")])
def test_the_variant_is_chosen_as_it_is_for_ours(make, monkeypatch: pytest.MonkeyPatch, asked: str, told: str):
    monkeypatch.setenv("GANREG_CPU", asked)
    loss = make(AGAIN + f"// {asked}\n")
    if asked == "bogus":
        for call in (loss.status, lambda: loss.single(draw(3), target=1.0)):
            with pytest.raises(UsageError, match=told):
                call()
    else:
        assert loss.status().kind == "reference" or loss.status().variant == told


def test_asking_for_it_compiles_nothing():
    code = (
        "import pathlib, ganreg\n"
        "path = pathlib.Path(__import__('sys').argv[1])\n"
        "ganreg.FusedLoss('a', struct='Huber', functor=path, formula=None)\n"
        "import sys; assert 'torch.utils.cpp_extension' not in sys.modules"
    )
    header = Path(__file__).parents[2] / "examples" / "ganreg-native-loss" / "ganreg_native_loss" / "huber.h"
    done = subprocess.run([sys.executable, "-c", code, str(header)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
