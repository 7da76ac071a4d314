"""Compiled networks train as eager ones do, and a compiler that fails costs one line."""

from __future__ import annotations

import warnings

import pytest
import torch

from tests.engine.small import bits, game, train


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")  # torch's own, on its way to Inductor
def test_compiled_training_follows_eager_training(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.compiler.reset()
    options = {"steps": 10, "regularizers": ["r1"], "seed": 4}
    eager = train(game(norm=True), **options)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*runs eagerly.*")
        compiled = train(game(norm=True), compile="on", **options)

    for name in ("loss_d", "loss_g", "penalty_R1"):
        assert compiled.history[name] == pytest.approx(eager.history[name], rel=1e-4, abs=1e-6)


def test_a_compiler_that_fails_leaves_no_trace_but_one_line_a_network(monkeypatch):
    def refuse(network, **options):
        def call(*inputs):
            network(*inputs)  # as far as buffers: these must be put back
            raise RuntimeError("Cannot convert expression to float\nand pages more")

        return call

    wanted = train(game(norm=True), steps=4)
    monkeypatch.setattr(torch, "compile", refuse)

    with pytest.warns(UserWarning, match="runs eagerly") as told:
        got = train(game(norm=True), steps=4, compile="on")

    lines = [str(one.message) for one in told]
    why = "runs eagerly, its compilation failed: RuntimeError: Cannot convert expression to float"
    assert lines == [f"the generator {why}", f"the discriminator {why}"]
    assert bits(got.gan.generator) == bits(wanted.gan.generator)
    assert bits(got.gan.discriminator) == bits(wanted.gan.discriminator)
