"""A whole training step beside the loop of the public tutorials: the same networks, batch size and data, in one process.

    ganreg     the engine at its defaults: moving average, gate, a log line every 50 steps
    tutorial   D ends in a sigmoid, BCELoss against labels filled each step, Adam as torch makes it, five .item() a step, its
               data from a DataLoader
    bare       the same, its data cut into batches beforehand

A case is a pair of networks and a batch size.  All data lies in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict
from itertools import cycle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from ganreg import registry as registries
from ganreg.assembly.ready import Parts, ready
from ganreg.bench import CASES, machine
from ganreg.bench.interleave import Contender, interleave, wall_clock
from ganreg.bench.loss import check_device
from ganreg.contracts import GAN, DataSpec
from ganreg.engine import loop
from ganreg.engine.data import source_of
from ganreg.engine.observers import Observers
from ganreg.engine.observers.history import History
from ganreg.engine.phases import phases
from ganreg.engine.precision import resolve
from ganreg.engine.settings import RunSettings

SCHEMA = 1
SAMPLES = 1024
"""Of noise: the cost of a step does not depend on what is in the pictures."""

PROFILED = 5
DEAREST = 5
HOST_SYNCS = ("aten::_local_scalar_dense", "cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")

SPECS = {"mlp": DataSpec((1, 28, 28), value_range=(-1.0, 1.0)), "dcgan": DataSpec((3, 64, 64), value_range=(-1.0, 1.0))}

Step = Callable[[], object]


def measure(
    *,
    device: str = "cpu",
    cases: Sequence[str] = tuple(CASES),
    rounds: int,
    options: dict[str, Any] | None = None,
    tell: Callable[[str], object] = lambda line: None,
) -> dict[str, Any]:
    """Plain values, ready for JSON; `options` are settings of our run.  Raises what training raises, and `DeviceError`."""
    check_device(device)
    where = machine.describe(device)
    rows = []
    for case in cases:
        tell(f"{case}, batch {CASES[case][1]}")
        rows.append(_row(case, device, rounds, options or {}))
    words = [word for case in cases for word in ("--case", case)]
    extra = [word for name, value in (options or {}).items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return {
        "schema": SCHEMA,
        "kind": "step",
        "command": [
            *machine.switches(),
            *("ganreg", "bench", "step", "--device", device, *words, "--rounds", str(rounds), *extra),
        ],
        **where,
        "device": device,
        "rounds": rounds,
        "options": options or {},
        "precision": resolve((options or {}).get("precision", "auto"), torch.device(device)).name,
        "rows": rows,
    }


def make(case: str, device: str, options: dict[str, Any]) -> dict[str, Step]:
    """The contenders of a case: calls that take one step."""
    name, batch_size = CASES[case]
    spec = SPECS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        registry = registries.current()
        gan = GAN(*(registry.create(kind, name, spec) for kind in ("generator", "discriminator")))
        samples = torch.rand(SAMPLES, *spec.shape) * 2 - 1
        peer = deepcopy(gan)
        return {
            "ganreg": _ours(gan, samples, batch_size, device, options),
            "tutorial": _tutorial(deepcopy(peer), _loaded(samples, batch_size), device),
            "bare": _tutorial(peer, cycle(torch.split(samples.to(device), batch_size)), device),
        }


def _ours(gan: GAN, samples: Tensor, batch_size: int, device: str, options: dict[str, Any]) -> Step:
    registry = registries.current()
    adam = registry.part("optimizer", "adam")
    parts = Parts(
        gan=gan,
        source=source_of(samples),
        loss=registry.create("loss", "bce"),
        optimizers={name: lambda params: adam.build({}, params) for name in ("discriminator", "generator")},
    )
    settings = RunSettings(steps=10**9, batch_size=batch_size, device=device, **options)
    run, work = ready(parts, settings, {})
    observers = Observers(run, [History()])
    observers.started()
    turn = phases((), 1)
    return lambda: loop.train(work, turn, observers, last_step=work.state.step + 1, is_end=False)


def _loaded(samples: Tensor, batch_size: int) -> Iterator[Tensor]:
    while True:
        for (batch,) in DataLoader(TensorDataset(samples), batch_size=batch_size, shuffle=True, drop_last=True):
            yield batch


def _tutorial(gan: GAN, batches: Iterator[Tensor], device: str) -> Step:
    """After the DCGAN tutorial of pytorch.org, whose lines every beginner copies."""
    generator, discriminator = gan.generator.to(device), nn.Sequential(gan.discriminator, nn.Sigmoid()).to(device)
    criterion = nn.BCELoss()
    of_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    of_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def step() -> tuple[float, ...]:
        discriminator.zero_grad()
        real = next(batches).to(device)
        label = torch.full((len(real),), 1.0, device=device)
        output = discriminator(real).view(-1)
        loss_real = criterion(output, label)
        loss_real.backward()
        d_x = output.mean().item()
        fake = generator(torch.randn(len(real), generator.latent_dim, device=device))
        label.fill_(0.0)
        output = discriminator(fake.detach()).view(-1)
        loss_fake = criterion(output, label)
        loss_fake.backward()
        d_g_z1 = output.mean().item()
        loss_d = loss_real + loss_fake
        of_d.step()
        generator.zero_grad()
        label.fill_(1.0)
        output = discriminator(fake).view(-1)
        loss_g = criterion(output, label)
        loss_g.backward()
        d_g_z2 = output.mean().item()
        of_g.step()
        return loss_d.item(), loss_g.item(), d_x, d_g_z1, d_g_z2

    return step


def _row(case: str, device: str, rounds: int, options: dict[str, Any]) -> dict[str, Any]:
    steps = make(case, device, options)
    contenders = {name: Contender(_waited(step, device)) for name, step in steps.items()}
    timings = interleave(contenders, rounds=rounds, stopwatch=wall_clock, batch_seconds=0.25)
    batch_size = CASES[case][1]
    return {
        "case": case,
        "batch_size": batch_size,
        "contenders": {
            name: {
                **asdict(timings.spread(name)),
                "seconds": timings.seconds[name],
                "calls": timings.calls[name],
                "images_per_second": batch_size / timings.spread(name).median,
            }
            for name in contenders
        },
        "ratios": {f"{peer} / ganreg": asdict(timings.ratio(peer, "ganreg")) for peer in ("tutorial", "bare")},
    }


def _waited(step: Step, device: str) -> Step:
    """On a card a step is over when the card says so; the tutorial's .item() waits anyway."""
    if device == "cpu":
        return step

    def run() -> None:
        step()
        torch.cuda.synchronize()

    return run


def profile(case: str, device: str, options: dict[str, Any], trace: Path) -> list[tuple[str, float, float]]:
    """A Chrome trace of some of our steps -> the dearest operators, and last the host syncs: name, ms and calls a step."""
    step = make(case, device, options)["ganreg"]
    for _ in range(PROFILED):
        step()
    with torch.profiler.profile() as profiler:
        for _ in range(PROFILED):
            step()
    profiler.export_chrome_trace(str(trace))
    events = profiler.key_averages()

    def cost(event: Any) -> float:
        return float(event.self_device_time_total if device != "cpu" else event.self_cpu_time_total)

    dearest = sorted(events, key=cost, reverse=True)[:DEAREST]
    rows = [(event.key, cost(event) / 1e3 / PROFILED, event.count / PROFILED) for event in dearest]
    syncs = sum(event.count for event in events if event.key in HOST_SYNCS)
    return [*rows, ("host syncs", 0.0, syncs / PROFILED)]
