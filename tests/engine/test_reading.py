"""What is said when a sample cannot be read, here or in a process of its own."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest
import torch

import ganreg
from ganreg.engine import reading
from ganreg.engine.data import Batches, source_of
from ganreg.errors import BadImageError, SampleError
from tests.engine.small import CPU, train

pytestmark = pytest.mark.timeout(180)


class Data(torch.utils.data.Dataset):
    spec = ganreg.DataSpec((2,))

    def __init__(self, trouble: Any) -> None:
        self.trouble = trouble

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> torch.Tensor:
        if index == 20:
            self.trouble()
        return torch.full((2,), float(index))


def read_all(trouble: Any, workers: int = 2) -> None:
    batches = Batches(source_of(Data(trouble)), batch_size=8, seed=0, device=CPU, workers=workers)
    try:
        for _ in range(8):
            batches.next()
    finally:
        batches.close()


def missing() -> None:
    {}["label"]


@pytest.mark.parametrize("workers", [0, 2])
def test_what_a_data_set_raises_is_told_with_its_place(workers: int):
    with pytest.raises(SampleError, match=r"GR306.*a sample cannot be read.*KeyError: 'label'") as told:
        read_all(missing, workers)

    assert told.value.at.startswith(__file__ + ":")
    assert (told.value.exit_code, "in worker" in told.value.what) == (4, workers > 0)


def test_an_error_of_ours_stays_what_it_is():
    def bad() -> None:
        raise BadImageError("no picture", at="a.png")

    with pytest.raises(BadImageError, match="no picture"):
        read_all(bad, 0)


@pytest.mark.nightly  # torch waits five seconds for each worker that is stuck
def test_a_killed_worker_is_told_with_its_number():
    with pytest.raises(
        SampleError, match=r"the process \d+ that reads data (was killed by Killed|ended without a word)"
    ) as told:
        read_all(lambda: os.kill(os.getpid(), signal.SIGKILL))

    assert "memory" in told.value.fix


def test_a_want_of_shared_memory_is_told_with_its_remedy():
    text = "DataLoader worker (pid 77) is killed by signal: Bus error. It is possible that dataloader's workers are out of …"
    with (
        pytest.raises(SampleError, match="the process 77 that reads data was killed by Bus error") as told,
        reading.failures_told(),
    ):
        raise RuntimeError(text)

    assert told.value.fix == "give more shared memory (/dev/shm), or use --workers 0"


@pytest.mark.nightly  # torch waits five seconds for each worker that is stuck
def test_a_worker_that_hangs_is_told_after_a_while(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganreg.engine.data.WORKER_SECONDS", 2.0)
    monkeypatch.setattr(reading, "WORKER_SECONDS", 2.0)

    with pytest.raises(SampleError, match="the processes that read data gave no batch for 2 s"):
        read_all(lambda: time.sleep(5))


def test_a_run_whose_data_fail_ends_in_one_error_of_the_data():
    with pytest.raises(SampleError, match="a sample cannot be read: KeyError: 'label'"):
        train(dataset=Data(missing), steps=9)
