"""What is measured is the same mathematics, and what is told of it is complete."""

from __future__ import annotations

import json

import pytest
import torch

from ganreg.bench import loss
from ganreg.bench.interleave import Timings
from ganreg.errors import DeviceError


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile takes seconds; where it is not the question it fails at once."""

    def refused(*args: object, **settings: object) -> None:
        raise RuntimeError("\n  no compiler today\nand more")

    monkeypatch.setattr(torch, "compile", refused)


def gradient_of(name: str, sides: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """A contender's value and gradient."""
    contender = loss.contenders(sides, [name])[0][name]
    if contender.refresh:
        contender.refresh()
    result = contender.run()
    if name in loss.FUSED:
        return result.value, list(result.grads)
    value, leaves = result
    return value.detach(), [leaf.grad for leaf in leaves]


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("name", ["fused", "in place"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ours_and_the_tutorial_s_give_one_value_and_gradient(name: str, pair: bool, dtype: str):
    sides = loss.make_sides("cpu", dtype, 17, pair)

    value, grads = gradient_of(name, sides)
    wanted, wanted_grads = gradient_of("eager", sides)

    assert len(grads) == 1 + pair
    torch.testing.assert_close(value, wanted)
    torch.testing.assert_close(grads, wanted_grads)


def test_one_logit_by_hand():
    value, (grad,) = gradient_of("eager", [torch.zeros(1)])

    torch.testing.assert_close(value, torch.tensor(2.0).log())
    torch.testing.assert_close(grad, torch.tensor([-0.5]))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_compiled_peer_gives_the_same():
    sides = loss.make_sides("cpu", "float32", 17, pair=False)
    found, not_run = loss.contenders(sides, ["compiled"])
    if not_run:
        pytest.skip(not_run["compiled"])

    value, (leaf,) = found["compiled"].run()

    wanted, (wanted_grad,) = gradient_of("eager", sides)
    torch.testing.assert_close(value.detach(), wanted)
    torch.testing.assert_close(leaf.grad, wanted_grad)


def test_a_second_call_does_not_add_to_the_gradient_of_the_first():
    run = loss.contenders([torch.zeros(1)], ["eager"])[0]["eager"].run
    run()

    assert run()[1][0].grad.item() == -0.5


def test_the_in_place_form_overwrites_a_buffer_of_its_own_that_refresh_fills():
    sides = [torch.zeros(2)]
    contender = loss.contenders(sides, ["in place"])[0]["in place"]

    first = contender.run().grads[0]
    assert first.tolist() == [-0.25, -0.25]
    assert sides[0].tolist() == [0.0, 0.0]
    contender.run()
    contender.refresh()
    assert first.tolist() == [0.0, 0.0]
    assert contender.run().grads[0].tolist() == [-0.25, -0.25]


def test_the_copy_is_a_copy():
    sides = loss.make_sides("cpu", "float32", 5, pair=True)
    copied: list[torch.Tensor] = []
    empty_like = torch.empty_like
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "empty_like", lambda one: copied.append(empty_like(one)) or copied[-1])
        loss.contenders(sides, ["copy"])[0]["copy"].run()

    torch.testing.assert_close(copied, sides)


def test_a_compiler_that_fails_leaves_its_reason_and_the_others(no_compiler: None):
    found, not_run = loss.contenders([torch.zeros(3)])

    assert list(found) == ["fused", "in place", "eager", "copy"]
    assert not_run == {"compiled": "RuntimeError: no compiler today"}


def test_what_is_told_is_json_and_repeats_itself(no_compiler: None, monkeypatch: pytest.MonkeyPatch):
    for name in loss.machine.SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GANREG_CPU", "scalar")
    heard: list[str] = []

    told = loss.measure(dtypes=["float64"], sizes=[3, 1200], rounds=5, pair=True, tell=heard.append)

    assert json.loads(json.dumps(told)) == told
    assert heard == ["float64, 3 logits", "float64, 1,200 logits"]
    assert (told["schema"], told["kind"], told["device"], told["pair"], told["rounds"]) == (1, "loss", "cpu", True, 5)
    assert " ".join(told["command"]) == (
        "GANREG_CPU=scalar ganreg bench loss --device cpu --dtype float64 --sizes 3 --sizes 1200 --rounds 5 --pair"
    )
    assert told["torch"] == torch.__version__
    assert told["machine"]["omp_threads"] == torch.get_num_threads()
    assert {"processor", "cores", "card", "kernel", "aten_capability"} <= told["machine"].keys()
    small, large = told["rows"]
    assert (large["dtype"], large["num_logits"], large["bytes"]) == ("float64", 1200, 1200 * 8 * 2 * 2)
    assert small["not_run"].keys() == {"compiled"}
    for found in large["contenders"].values():
        assert len(found["seconds"]) == 5
        assert 0 < found["low"] <= found["median"] <= found["high"]
        assert found["gigabytes_per_second"] == pytest.approx(large["bytes"] / found["median"] / 1e9)


def test_ratios_name_the_peer_first_and_say_how_many_times_longer_it_takes():
    seconds = {"fused": [1.0] * 5, "in place": [0.5] * 5, "eager": [6.0] * 5, "copy": [0.25] * 5}

    found = loss.ratios(Timings(seconds, dict.fromkeys(seconds, 1)))

    assert {name: ratio["median"] for name, ratio in found.items()} == {
        "eager / fused": 6.0,
        "copy / fused": 0.25,
        "eager / in place": 12.0,
        "copy / in place": 0.5,
    }


def test_a_card_that_is_not_there_is_refused_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(DeviceError, match="torch sees no CUDA device"):
        loss.measure(device="cuda", tell=pytest.fail)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
@pytest.mark.usefixtures("no_compiler")
def test_a_card_is_timed_by_its_events():
    told = loss.measure(device="cuda", sizes=[1024], rounds=5)

    assert told["machine"]["card"] == torch.cuda.get_device_name()
    assert told["rows"][0]["contenders"]["fused"]["median"] > 0
