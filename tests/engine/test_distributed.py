"""Several ranks, one run: the same training as one process, and never a hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ganreg.engine import distributed
from ganreg.errors import DataError, RankError, SettingsError
from tests.engine.ranks import clean_environment, finish, start, together
from tests.engine.small import points, train

pytestmark = pytest.mark.timeout(240)

# --- the same training ------------------------------------------------------------------------------------------------

GRADIENTS = """
from ganreg.engine.gate import Gate
seen = []
update = Gate.update
def recorded(self, name, value, optimizer):
    grads = [p.grad.flatten() for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    seen.append((name, float(value), torch.cat(grads).clone()))
    update(self, name, value, optimizer)
Gate.update = recorded
torch.manual_seed(7)
{make}
result = ganreg.train_gan(gan, data, steps=4, batch_size=16, progress=False, precision="fp32", seed=3, log_every=1, {options})
torch.save((seen, result.history), sys.argv[1] if len(sys.argv) > 1 else os.environ["TO"])
"""

SMALL = "gan, data = game(norm={norm}), points(64)"
OPTIONS = (
    "generator_optimizer=lambda p: torch.optim.SGD(p, lr=1e-2), discriminator_optimizer=lambda p: torch.optim.SGD(p, lr=1e-2)"
)
R1 = ', regularizers=[ganreg.create("regularizer", "r1", weight=0.5, interval=2)]'


def gradients(tmp_path: Path, size: int, make: str, options: str) -> list:
    told = [{"TO": str(tmp_path / f"{size}-{rank}.pt")} for rank in range(size)]
    together(GRADIENTS.format(make=make, options=options), size, told)
    return [torch.load(one["TO"], weights_only=False) for one in told]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "options", "bar"),
    [
        pytest.param(SMALL.format(norm=False), OPTIONS + R1, 1e-6, id="no batch norm"),
        # Division by a deviation of 16 numbers multiplies float32's rounding; tests/nn shows it exact in float64.
        pytest.param(SMALL.format(norm=True), OPTIONS + R1 + ", sync_batchnorm=True", 5e-6, id="SyncBatchNorm"),
        pytest.param(SMALL.format(norm=False), OPTIONS + ', loss="hinge", discriminator_steps=2', 1e-6, id="two D steps"),
        pytest.param(SMALL.format(norm=False), OPTIONS + R1 + ", accumulate=2", 1e-6, id="accumulated"),
    ],
)
def test_two_ranks_have_the_gradients_of_one_rank_with_the_doubled_batch(make: str, options: str, bar: float, tmp_path: Path):
    (alone, history), *_ = gradients(tmp_path, 1, make, options)
    first, second = gradients(tmp_path, 2, make, options)

    assert [name for name, _, _ in alone] == [name for name, _, _ in first[0]]
    for (_, value, wanted), (_, value_of_two, got), (_, _, other) in zip(alone, first[0], second[0], strict=True):
        assert torch.equal(got, other)
        assert (got - wanted).norm() <= bar * wanted.norm()
        assert value_of_two == pytest.approx(value, rel=bar)
    assert first[1] | {"seconds": 0, "images_per_second": 0} == second[1] | {"seconds": 0, "images_per_second": 0}
    for name in ("loss_d", "loss_g", "d_real", "d_fake", "accuracy_d", "images"):
        assert first[1][name] == pytest.approx(history[name], rel=1e-5)


REPLICAS = """
import hashlib
from torch import nn
class Noisy(nn.Module):
    latent_dim = 3
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 2))
    def forward(self, z):
        return self.layers(z)
torch.manual_seed(RANK)  # the ranks' own weights differ: the main rank's are handed out
gan = GAN(Noisy(), game(norm=True, seed=RANK).discriminator)
result = ganreg.train_gan(gan, points(64), steps=200, batch_size=8, progress=False, regularizers=["r1"])
digest = hashlib.sha256()
for network in (*result.gan, result.ema):
    for tensor in network.state_dict().values():
        digest.update(tensor.numpy().tobytes())
print(digest.hexdigest(), result.history["loss_d"][-1])
"""


@pytest.mark.slow
def test_replicas_stay_equal_bit_for_bit_over_200_steps():
    first, second = together(REPLICAS)

    assert first.out == second.out
    assert len(first.out.split()) == 2


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(SettingsError, match="batch_size must be a multiple of 3, for 3 parts, got 8") as caught:
        train(accumulate=3)

    assert "--batch-size 9" in str(caught.value)


def test_data_with_an_order_of_its_own_cannot_be_shared():
    from ganreg.engine.data import Batches, source_of

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(points(8))

    with pytest.raises(DataError, match="would give every rank the same samples"):
        Batches(source_of(Stream()), batch_size=4, seed=0, device=torch.device("cpu"), rank=1, ranks=2)


def test_shares_are_disjoint_and_together_what_one_rank_draws():
    from ganreg.engine.data import Batches, source_of

    def drawn(rank: int, ranks: int) -> torch.Tensor:
        batches = Batches(source_of(points(20)), batch_size=6, seed=4, device=torch.device("cpu"), rank=rank, ranks=ranks)
        return torch.stack([batches.next().real for _ in range(5)])

    assert torch.equal(torch.cat([drawn(rank, 3) for rank in range(3)], dim=1), drawn(0, 1))


WRITTEN = """
gan = game(norm=True)
result = ganreg.train_gan(
    gan, points(64), steps=12, batch_size=8, progress=False, log_every=5, sync_batchnorm=True, out=os.environ["OUT"],
    checkpoint_every=4, sample_every=3, precision="fp32", rank_timeout=20,
)
print(result.history["loss_d"])
"""


def test_the_main_rank_saves_and_samples_by_itself_under_synchronised_batch_norm(tmp_path: Path):
    first, second = together(WRITTEN, each=[{"OUT": str(tmp_path / "run")}] * 2)

    assert first.out == second.out
    assert (tmp_path / "run/checkpoints/step-00000012/manifest.json").exists()


# --- ranks that fail --------------------------------------------------------------------------------------------------

TRAINING = """
from ganreg.errors import GanregError
import ganreg.engine.loop as loop
gan = game()
begin = loop.Work.draw_real
def draw_real(self):
    begin(self)
    step = self.state.step
    {trouble}
loop.Work.draw_real = draw_real
try:
    result = ganreg.train_gan(gan, points(64), steps=60, batch_size=8, progress=False, log_every=10, {options})
    print("done", result.status, len(result.history["step"]))
except GanregError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("more", ["", ', precision="fp16"'])
def test_a_value_that_breaks_on_one_rank_ends_all_at_the_same_step_and_names_it(more: str, tmp_path: Path):
    poison = "if RANK == 1 and step == 25: self.draws[0].real.fill_(torch.nan)"
    options = f'out="{tmp_path}/run", sample_every=0, checkpoint_every=27{more}'  # due on the main rank alone
    ended = finish(start(TRAINING.format(trouble=poison, options=options)))

    for one in ended:
        assert one.code == 5, one.err
        assert "loss or gradient is not finite on rank 1; nothing of it reached the weights, at step 26" in one.err
    assert not (tmp_path / "run/checkpoints").exists()


def test_a_rank_that_dies_ends_the_others():
    began = time.monotonic()
    death = "if RANK == 1 and step == 25: os.kill(os.getpid(), 9)"
    first, second = finish(start(TRAINING.format(trouble=death, options="")))

    assert second.code == -signal.SIGKILL
    assert first.code == 8, first.err
    assert "error[GR701]: " in first.err
    assert "while a gradient was averaged" in first.err
    assert time.monotonic() - began < 60


def test_a_rank_that_stalls_is_named():
    stall = "if RANK == 1 and step == 25: time.sleep(60)"
    processes = start(TRAINING.format(trouble=stall, options="rank_timeout=4"))
    first = finish(processes[:1], 60)[0]
    for one in processes[1:]:
        one.kill()
        one.communicate()

    assert first.code == 8, first.err
    assert "error[GR701]: rank 1 did not answer while a gradient was averaged" in first.err


def test_ranks_with_other_settings_are_refused_before_the_first_step():
    ended = finish(start(TRAINING.format(trouble="assert False, 'a step was begun'", options="seed=RANK")))

    for one in ended:
        assert one.code == 8, one.err
        assert "ranks 0 and 1 disagree on the configuration at step 0" in one.err


def test_a_different_set_of_gradients_is_refused():
    other = "self.discriminator.network.layers[0].bias.requires_grad_(RANK == 0)"
    ended = finish(start(TRAINING.format(trouble=other, options="")))

    for one in ended:
        assert one.code == 8, one.err
        assert "disagree on the discriminator's weights that have a gradient at step 0: 1111 and 1011" in one.err


def test_an_observer_of_the_main_rank_stops_all():
    stopper = """
class Stop(ganreg.Observer):
    every = 1
    def stepped(self, step, values):
        return "stop" if RANK == 0 and step == 13 else None
"""
    source = stopper + TRAINING.format(trouble="pass", options="observers=[Stop()]")
    first, second = together(source)

    assert first.out == "done stopped 2\n"  # the step after the word at which every rank listens
    assert second.out == first.out


def test_half_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch):
    for name in ("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "0")

    with pytest.raises(RankError, match="RANK is set, but WORLD_SIZE, MASTER_ADDR, MASTER_PORT is not") as caught:
        train()
    assert (caught.value.code, caught.value.exit_code) == ("GR701", 8)


def test_ranks_that_do_not_find_each_other_say_so(monkeypatch: pytest.MonkeyPatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "9"}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(RankError, match="the 2 ranks do not find each other"):
        distributed.start(torch.device("cpu"), seed=0, timeout=1.0)


def test_alone_nothing_is_shared_or_averaged():
    x = torch.arange(4.0)

    assert distributed.ALONE.share(x) is x
    assert distributed.ALONE.average([x]) == ([x], None)
    assert distributed.ALONE.gather("fact", "x") == ["fact"]
    assert distributed.ALONE.main_says(True)
    distributed.ALONE.check_agree({"a": "b"}, step=0)


def test_tensors_are_put_into_buckets_of_one_dtype(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(distributed, "BUCKET_BYTES", 40)
    tensors = [torch.zeros(5), torch.zeros(5), torch.zeros(2, dtype=torch.float64), torch.zeros(1), torch.zeros(100)]

    assert list(distributed._buckets(tensors)) == [[0, 1], [3], [4], [2]]


def test_a_mean_lies_as_its_tensor_does():
    for tensor in (torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last), torch.randn(3, 4), torch.randn(4, 3).t()):
        flat = distributed._in_memory_order(tensor).clone()
        laid = distributed._laid_as(flat, tensor)

        assert torch.equal(laid, tensor)
        assert laid.is_contiguous() or laid.stride() == tensor.stride()


# --- torchrun ---------------------------------------------------------------------------------------------------------

COMMAND = [
    *("-m", "ganreg", "train", "--generator", "mlp", "--dataset", "gaussians", "--steps", "120", "--batch-size", "16"),
    *("--checkpoint-every", "40", "--log-every", "20", "--regularizer", "r1"),
]


def torchrun(*words: str, cwd: Path) -> subprocess.Popen[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1"]
    return subprocess.Popen(
        [*launcher, *COMMAND, *words],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
    )


def worker(parent: int, rank: str) -> int:
    """The process id of a rank that this launcher started."""
    for found in Path("/proc").glob("[0-9]*"):
        try:
            is_child = found.joinpath("stat").read_text().rpartition(")")[2].split()[1] == str(parent)
            if is_child and f"RANK={rank}".encode() in found.joinpath("environ").read_bytes().split(b"\0"):
                return int(found.name)
        except OSError:
            continue
    raise AssertionError(f"no rank {rank}")


def weights(run: Path) -> dict[str, bytes]:
    last = run / "checkpoints" / "step-00000120"
    return {path.name: path.read_bytes() for path in last.glob("*.safetensors")}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="not run: no /proc")
@pytest.mark.parametrize("named", [pytest.param(True, marks=pytest.mark.nightly), False])
def test_a_killed_rank_is_started_again_and_the_run_ends_as_if_nothing_had_happened(named: bool, tmp_path: Path):
    whole = torchrun("--out", "whole", cwd=tmp_path)
    assert finish([whole], 120)[0].code == 0
    broken = torchrun(*(["--out", "broken"] if named else []), cwd=tmp_path)
    run = tmp_path / ("broken" if named else "runs/0001")
    try:
        deadline = time.monotonic() + 60
        while not (run / "checkpoints/step-00000040/manifest.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(worker(broken.pid, "1"), signal.SIGKILL)
    except BaseException:
        broken.kill()
        raise
    ended = finish([broken], 120)[0]

    assert ended.code == 0, ended.out
    assert weights(run) == weights(tmp_path / "whole")
    assert weights(run)
