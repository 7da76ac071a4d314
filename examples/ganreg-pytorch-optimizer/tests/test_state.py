"""A run goes on bit for bit: each state survives a checkpoint's two kinds of file, safetensors and JSON."""

import json
from collections import deque
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
from ganreg_pytorch_optimizer.kept import decoded, encoded
from ganreg_pytorch_optimizer.table import OPTIMIZERS
from torch import nn

import ganreg
from ganreg.engine.modes import to_train
from ganreg.engine.state import State

BEFORE, AFTER = 12, 12


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(4 * 36, 1)
    )


def state_of(name):
    made = network()
    slower = {"lr": 0.01} if name == "schedulefreesgd" else {}  # its own rate of 1 is too long a step here
    optimizer = ganreg.create("optimizer", name, list(made.parameters()), **slower)
    to_train(optimizer)
    return State(
        gan=ganreg.GAN(made, nn.Identity()),
        ema=None,
        optimizers={"generator": optimizer},
        batches=SimpleNamespace(position=0, seek=lambda position: None),
        rng=torch.Generator(),
        device=torch.device("cpu"),
    )


def train(state, steps, seed):
    images = torch.randn(steps, 8, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
    for batch in images:
        state.gan.generator.zero_grad()
        torch.autograd.backward((state.gan.generator(batch).flatten() - batch.mean((1, 2, 3))).square().mean())
        state.optimizers["generator"].step()


def through_files(state):
    """Tensors and values as they come back from a disk."""
    files = {
        name: safetensors.torch.load(safetensors.torch.save({key: one.detach().contiguous() for key, one in held.items()}))
        for name, held in state.tensors().items()
    }
    return files, json.loads(json.dumps(state.values()))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_goes_on_from_a_checkpoint_bit_for_bit(name):
    torch.manual_seed(1)
    whole = state_of(name)
    train(whole, BEFORE, seed=2)
    files, values = through_files(whole)
    train(whole, AFTER, seed=3)

    resumed = state_of(name)
    resumed.restore(files, values)
    train(resumed, AFTER, seed=3)

    for one, other in zip(whole.gan.generator.parameters(), resumed.gan.generator.parameters(), strict=True):
        assert torch.equal(one, other)


def test_nested_values_come_back_as_what_they_were():
    columns = torch.arange(6.0).view(2, 3).T
    saved = {
        "state": {0: {"queue": deque([torch.ones(2)], maxlen=3), "basis": [columns, None], "step": 4}, "k": torch.tensor(7)},
        "param_groups": [{"params": [0], "d": torch.tensor(0.1), "coefficients": ((1.0, 2.0), (3.0, 4.0))}],
        "total_step": 9,
    }
    there = encoded(saved)
    assert list(there["state"]) == [0]
    back = decoded(there, torch.device("cpu"))

    assert back["total_step"] == 9
    assert back["state"]["k"].item() == 7
    assert back["state"][0]["step"] == 4
    assert back["state"][0]["queue"].maxlen == 3
    assert back["state"][0]["basis"][0].stride() == columns.stride() == (1, 3)
    assert torch.equal(back["state"][0]["basis"][0], columns)
    assert back["param_groups"][0]["d"].item() == torch.tensor(0.1).item()
    assert back["param_groups"][0]["coefficients"] == ((1.0, 2.0), (3.0, 4.0))
