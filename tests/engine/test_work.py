"""A batch in parts, gradients of bounded length, and what a step costs in memory."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
import torch

import ganreg
from ganreg.contracts import DiscriminatorOutput
from ganreg.engine.phases import phases
from ganreg.engine.work import halves
from ganreg.errors import ContractError, NonFiniteError
from tests.engine.small import bits, game, points, train, work
from tests.engine.test_step import Recorder


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_a_batch_in_parts_trains_as_the_whole(parts):
    def run(accumulate):
        torch.manual_seed(0)
        r1 = ganreg.create("regularizer", "r1", weight=0.5, interval=2)
        sgd = [lambda params: torch.optim.SGD(params, lr=0.05)] * 2
        options = {"generator_optimizer": sgd[0], "discriminator_optimizer": sgd[1], "regularizers": [r1]}
        return train(game(), steps=6, latents="fresh", accumulate=accumulate, **options)

    whole, parted = run(1), run(parts)

    for name in ("loss_d", "loss_g", "d_real", "d_fake", "accuracy_d", "penalty_R1", "images"):
        assert parted.history[name] == pytest.approx(whole.history[name], rel=2e-5)
    for one, other in zip(whole.gan, parted.gan, strict=True):
        torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=1e-5, atol=1e-6)


def test_parts_are_judged_one_after_the_other():
    sizes = []
    gan = game()
    gan.discriminator.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))

    train(gan, steps=1, accumulate=4)

    assert sizes[-12:] == [2] * 12  # reals and fakes of four parts, then the fakes of four parts


def test_a_penalty_that_joins_the_backward_is_a_mean_over_parts_too():
    def run(accumulate):
        recorder = Recorder("discriminator", shares_forward=True)
        ours = work(game(), regularizers=[recorder], shared=False)
        ours.parts = accumulate
        for phase in phases(ours.regularizers, 1):
            phase.run(ours)
        return ours

    whole, parted = run(1), run(2)

    assert parted.values["penalty_Recorder"] == pytest.approx(whole.values["penalty_Recorder"])
    assert parted.values["total_discriminator"].item() == pytest.approx(whole.values["total_discriminator"].item(), rel=1e-5)
    torch.testing.assert_close(parted.state.gan.discriminator.state_dict(), whole.state.gan.discriminator.state_dict())


def test_reals_and_fakes_in_one_pass_are_judged_as_in_two():
    passes = {}

    def run(per_sample):
        gan = game()
        gan.discriminator.per_sample = per_sample
        sizes = passes[per_sample] = []
        gan.discriminator.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
        return train(gan, steps=5)

    apart, together = run(False), run(True)

    assert passes[False][-3:] == [8, 8, 8]
    assert passes[True][-2:] == [16, 8]
    for name in ("loss_d", "loss_g", "d_real", "d_fake", "accuracy_d"):
        assert together.history[name] == pytest.approx(apart.history[name], rel=1e-5)


def test_what_a_discriminator_says_beside_its_logits_is_split_too():
    whole = DiscriminatorOutput(
        torch.arange(4.0), class_logits=torch.arange(8.0).view(4, 2), extras={"depth": torch.arange(4.0) + 10}
    )

    real, fake = halves(whole)

    assert real.logits.tolist() == [0, 1]
    assert fake.logits.tolist() == [2, 3]
    assert fake.class_logits.tolist() == [[4, 5], [6, 7]]
    assert real.features is None
    assert (real.extras["depth"].tolist(), fake.extras["depth"].tolist()) == ([10, 11], [12, 13])


def gradient_norms(clip):
    ours = work(game())
    ours.gate.clip = clip
    norms = {}
    for phase in phases((), 1):
        phase.run(ours)
        if phase.name.endswith("update"):
            player = ours.discriminator if "discriminator" in phase.name else ours.generator
            grads = [parameter.grad.flatten() for parameter in player.network.parameters()]
            norms[player.role] = torch.cat(grads).norm().item()
    return norms, ours


def test_a_gradient_that_is_too_long_is_cut_and_a_short_one_keeps_its_bits():
    free, plain = gradient_norms(None)
    longest = max(free.values())

    cut, _ = gradient_norms(longest / 4)
    wide, same = gradient_norms(longest * 4)

    assert max(cut.values()) == pytest.approx(longest / 4, rel=1e-4)
    assert wide == free
    assert bits(same.state.gan.generator) == bits(plain.state.gan.generator)


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="not run: no /proc")
def test_memory_does_not_grow_over_2000_steps():
    held = []

    class Scale(ganreg.Observer):
        every = 250

        def stepped(self, step, values):
            gc.collect()
            held.append(resident())

    train(game(norm=True), dataset=points(64), steps=2000, log_every=50, regularizers=["r1"], observers=[Scale()])

    slope = (sum(held[-3:]) - sum(held[1:4])) / 3 / (250 * 4)  # bytes a step, after the first steps have filled the caches
    assert len(held) == 8
    assert slope < 96  # the log's own numbers are some 20


def test_a_weight_without_dimensions_trains():
    gan = game()
    gan.discriminator.gain = torch.nn.Parameter(torch.tensor(1.0))
    gan.discriminator.register_forward_hook(lambda module, inputs, output: output * module.gain)

    train(gan, steps=3)

    assert gan.discriminator.gain.item() != 1.0


@pytest.mark.parametrize(
    ("wrong", "name"), [({"features": [1]}, "features"), ({"extras": {"depth": torch.tensor(1.0)}}, "depth")]
)
def test_a_discriminator_that_judges_samples_apart_must_tell_of_each(wrong: dict, name: str):
    with pytest.raises(ContractError, match=f"per_sample must give {name} of one row a sample"):
        halves(DiscriminatorOutput(torch.zeros(4), **wrong))


def test_a_joined_penalty_sees_float32_in_16_bit_training():
    seen = []

    class Look(Recorder):
        def penalty(self, context):
            seen.append((context.real_output.logits.dtype, context.fake_output.logits.dtype))
            return super().penalty(context)

    train(steps=1, precision="bf16", regularizers=[Look("discriminator", shares_forward=True)])

    assert set(seen) == {(torch.float32, torch.float32)}


def test_an_optimizer_that_was_lent_takes_steps_of_its_own_again_after_a_run_that_broke():
    gan = game()
    lent = torch.optim.Adam(gan.discriminator.parameters(), fused=True)
    gan.generator.layers[0].weight.data.fill_(torch.nan)
    with pytest.raises(NonFiniteError):
        train(gan, discriminator_optimizer=lent)
    before = bits(gan.discriminator)
    for parameter in gan.discriminator.parameters():
        parameter.grad = torch.ones_like(parameter)

    lent.step()

    assert bits(gan.discriminator) != before


def test_buffers_of_any_kind_of_number_are_averaged_over_ranks():
    class Twice:
        """Two ranks, of which the other holds three times what this one does."""

        size = 2

        def average(self, tensors, what):
            return [2 * tensor for tensor in tensors], None

        def check_agree(self, facts, *, step): ...

    at = work(game())
    for name, kind in (("mean", torch.float32), ("spectrum", torch.complex64), ("seen", torch.int64)):
        at.generator.network.register_buffer(name, torch.ones(2, dtype=kind))
    at.values = {"statistics": torch.ones(8)}
    at.ranks = Twice()

    at.average("generator")

    averaged = {name: buffer[0].item() for name, buffer in at.generator.network.named_buffers()}
    assert averaged == {"mean": 2.0, "spectrum": 2 + 0j, "seen": 1}
