"""Training on a card: the same game, and a host that waits for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import ganreg
from ganreg.engine.data import Batches, source_of
from ganreg.engine.work import Work
from tests.engine.ranks import together
from tests.engine.small import game, points, train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="not run: no CUDA device"),
    pytest.mark.timeout(300),
]


def test_a_card_trains_as_the_processor_does():
    options = {"steps": 12, "tf32": False, "regularizers": ["r1"]}
    sgd = {f"{name}_optimizer": lambda params: torch.optim.SGD(params, lr=0.05) for name in ("generator", "discriminator")}
    slow, quick = (train(game(norm=True), device=device, **options, **sgd) for device in ("cpu", "cuda"))

    assert quick.history["images"] == slow.history["images"]
    assert quick.history["loss_d"][-1] == pytest.approx(slow.history["loss_d"][-1], abs=0.2)  # other latents


@pytest.mark.parametrize("cuda_graphs", ["off", "on"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_nothing_waits_for_the_card_between_two_log_lines(precision: str, cuda_graphs: str, monkeypatch: pytest.MonkeyPatch):
    begin = Work.draw_real

    def watched(self: Work) -> None:
        torch.cuda.set_sync_debug_mode("error" if 5 <= self.state.step < 18 else "default")
        begin(self)

    monkeypatch.setattr(Work, "draw_real", watched)
    try:
        train(game(norm=True), device="cuda", steps=20, log_every=20, precision=precision, clip=10.0, cuda_graphs=cuda_graphs)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.filterwarnings("error:.*without a CUDA graph")
@pytest.mark.parametrize(
    "options",
    [{}, {"precision": "bf16"}, {"precision": "fp16"}, {"discriminator_steps": 2}, {"accumulate": 2}, {"workers": 2}],
    ids=str,
)
def test_recorded_training_is_eager_training(options: dict[str, object]):
    asked = {"device": "cuda", "steps": 30, "latents": "fresh", "regularizers": ["r1"], "clip": 10.0, **options}
    adam = {
        f"{name}_optimizer": lambda params: torch.optim.Adam(params, lr=1e-3, fused=True)
        for name in ("generator", "discriminator")
    }
    eager = train(game(norm=True), **asked, **adam)
    recorded = train(game(norm=True), cuda_graphs="on", **asked, **adam)

    for name in ("loss_d", "loss_g", "penalty_R1"):
        assert recorded.history[name] == pytest.approx(eager.history[name], rel=1e-4, abs=1e-5)
    for one, other in zip(recorded.gan, eager.gan, strict=True):
        torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=1e-4, atol=1e-5)


def test_what_cannot_be_recorded_trains_on_eagerly():
    class Reads(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x) * (1.0 if x.sum().item() > 0 else 0.5)

    with pytest.warns(UserWarning, match="run without a CUDA graph, recording failed"):
        result = train(ganreg.GAN(game().generator, Reads()), device="cuda", cuda_graphs="on", steps=20)

    assert len(result.history["loss_d"]) == 20


def test_random_numbers_of_a_recording_go_on():
    class Dropping(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(2, 64), torch.nn.Dropout(0.5), torch.nn.Linear(64, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x)

    gan = ganreg.GAN(game().generator, Dropping())
    frozen = [torch.optim.Adam(network.parameters(), lr=0.0, fused=True) for network in gan]
    result = train(
        gan,
        device="cuda",
        cuda_graphs="on",
        steps=20,
        batch_size=64,
        generator_optimizer=lambda params: frozen[0],
        discriminator_optimizer=lambda params: frozen[1],
    )

    assert len(set(result.history["loss_d"][-10:])) == 10  # the same data each step, and other masks


def test_batches_that_are_copied_ahead_are_the_same_batches():
    class Data(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 40

        def __getitem__(self, index: int) -> torch.Tensor:
            return torch.full((2,), float(index))

    def drawn(device: str) -> torch.Tensor:
        batches = Batches(source_of(Data()), batch_size=8, seed=3, device=torch.device(device))
        return torch.stack([batches.next().real.cpu() for _ in range(12)])

    assert torch.equal(drawn("cuda"), drawn("cpu"))


def test_a_run_on_a_card_goes_on_bit_for_bit(tmp_path: Path):
    def run(**options: object) -> ganreg.assembly.Result:
        return train(game(norm=True), dataset=points(), device="cuda", precision="bf16", **options)

    first, second = run(steps=10), run(steps=10)

    for one, other in zip(first.gan, second.gan, strict=True):
        torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0)


NCCL = """
result = ganreg.train_gan(game(), points(64), steps=30, batch_size=8, progress=False, regularizers=["r1"], device="cuda")
print(result.history["loss_d"][-1])
"""


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="not run: fewer than two CUDA devices")
def test_two_cards_stay_equal_over_nccl():
    first, second = together(NCCL)

    assert first.out == second.out
