from __future__ import annotations

import pytest
import torch
from torch import nn

from ganreg.contracts import Schedule
from ganreg.nn.ema import EMA, EMASettings

OPEN, CLOSED = torch.tensor(0.0), torch.tensor(1.0)


def averaged(settings: EMASettings, *, images: int, closed: torch.Tensor = OPEN) -> float:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    ema = EMA(network, settings)
    nn.init.ones_(network.weight)
    ema.update(batch_size=10, images=images, closed=closed)
    return ema.module.weight.item()


def test_after_one_half_life_the_average_is_half_way():
    assert averaged(EMASettings(half_life=10.0, ramp=None), images=10) == pytest.approx(0.5)


def test_a_young_average_follows_faster():
    assert averaged(EMASettings(half_life=1e6, ramp=0.05), images=200) == pytest.approx(0.5)
    assert averaged(EMASettings(half_life=1e6, ramp=None), images=200) == pytest.approx(0.0, abs=1e-5)


def test_a_closed_gate_leaves_the_average_as_it_is():
    assert averaged(EMASettings(half_life=10.0), images=10, closed=CLOSED) == 0.0


@pytest.mark.parametrize("conjugated", [False, True])
def test_complex_weights_are_averaged_like_others(conjugated: bool):
    start = torch.zeros(2, dtype=torch.complex64)
    network = nn.ParameterList([nn.Parameter(start.conj() if conjugated else start)])
    ema = EMA(network, EMASettings(half_life=10.0, ramp=None))
    nn.init.constant_(network[0], 1 + 3j)

    ema.update(batch_size=10, images=10, closed=CLOSED)
    untouched = ema.module[0].clone()
    ema.update(batch_size=10, images=10, closed=OPEN)

    assert not untouched.any()
    torch.testing.assert_close(ema.module[0].detach(), torch.full((2,), 0.5 + 1.5j))


def test_buffers_are_averaged_and_integers_left():
    network = nn.BatchNorm1d(1)
    ema = EMA(network, EMASettings(half_life=10.0, ramp=None))
    network(torch.tensor([[10.0], [10.0]]))

    ema.update(batch_size=10, images=10, closed=OPEN)

    assert ema.module.running_mean.item() == pytest.approx(0.5)
    assert ema.module.num_batches_tracked.item() == 0
    assert not ema.module.training


def test_a_scheduled_half_life_is_that_of_the_images_seen_and_none_at_its_start_takes_all():
    rising = EMASettings(half_life=Schedule(start=0.0, stop=20.0, shape="linear", over_images=100), ramp=None)

    assert rising.decay(10, 0) == 0.0
    assert rising.decay(10, 50) == 0.5  # half-life 10
    assert rising.decay(10, 1000) == pytest.approx(0.5**0.5)
