"""Reading samples: in which order, with which random numbers, in which process; and what is said when one cannot be read."""

from __future__ import annotations

import random
import re
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import numpy
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from ganreg.engine import signals
from ganreg.errors import GanregError, SampleError

WORKER_SECONDS = 300.0
"""How long a batch of worker processes is waited for."""

KILLED = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\) (?:is killed by signal: ([\w ]+)|exited unexpectedly)")
"""torch's words."""
FIX = "correct the data set; --debug shows the traceback"

T = TypeVar("T", bound="tuple[Tensor | None, ...]")


class Order(Protocol):
    """An endless pass over samples."""

    def indices(self, position: int, batch_size: int) -> Tensor:
        """Indices [batch_size] from `position` on."""


def ahead(batches: Iterator[T], device: torch.device) -> Iterator[T]:
    """The same batches, each copied to the card on a side stream while the one before is worked on."""
    side: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def copied() -> T:
        with torch.cuda.stream(side):
            return next(batches)

    following = copied()
    while True:
        now = torch.cuda.current_stream(device)  # of whoever asks for this batch: a run that goes on reads ahead on another
        now.wait_stream(side)
        batch = following
        for tensor in batch:
            if tensor is not None:
                tensor.record_stream(now)
        following = copied()
        yield batch


class BatchOrder:
    """An endless batch sampler."""

    def __init__(self, order: Order, position: int, batch_size: int, share: slice) -> None:
        self.order, self.position, self.batch_size, self.share = order, position, batch_size, share

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Lists of (index in the data, place in the stream)."""
        position = self.position
        while True:
            indices = self.order.indices(position, self.batch_size)[self.share].tolist()
            yield list(zip(indices, range(position + self.share.start, position + self.share.stop), strict=True))
            position += self.batch_size


class Seeded(Dataset[Any]):
    """Samples whose random transforms depend on their place in the stream alone: not on workers, nor on when a run started."""

    def __init__(self, dataset: Any, seed: int, *, as_bytes: bool = False) -> None:
        self.dataset = dataset
        self.seed = seed
        self.as_bytes = as_bytes
        if hasattr(dataset, "__getitems__") and not as_bytes:
            self.__getitems__ = self._several

    def __getitem__(self, place: tuple[int, int]) -> Any:
        index, position = place
        if self.as_bytes:  # which draw no random numbers
            return self.dataset.as_bytes(index)
        with _random_numbers_of(self.seed, position):
            return self.dataset[index]

    def _several(self, places: Sequence[tuple[int, int]]) -> Any:
        with _random_numbers_of(self.seed, places[0][1]):
            return self.dataset.__getitems__([index for index, _ in places])


@contextmanager
def _random_numbers_of(seed: int, position: int) -> Iterator[None]:
    """Python's, numpy's and torch's random numbers for one sample; in the main process the streams then go on as before."""
    chosen = (seed * 1_000_003 + position) % 2**63
    is_main = get_worker_info() is None
    before = (random.getstate(), numpy.random.get_state(), torch.get_rng_state()) if is_main else None
    random.seed(chosen)
    numpy.random.seed(chosen % 2**32)
    torch.default_generator.manual_seed(chosen)
    try:
        yield
    finally:
        if before is not None:
            random.setstate(before[0])
            numpy.random.set_state(before[1])
            torch.set_rng_state(before[2])


def start_worker(users: Callable[[int], object] | None, worker: int) -> None:
    """In a process that begins to read: our signals, then what the user's own loader does there."""
    signals.of_a_worker(worker)
    if users is not None:
        users(worker)


@contextmanager
def failures_told() -> Iterator[None]:
    """Turn what a data set raises, and what becomes of its workers, into an error of ours.  Raises SampleError."""
    try:
        yield
    except (RuntimeError, OSError) as first:
        error = _word_of_a_death() or first if isinstance(first, ConnectionError) else first
        killed = KILLED.search(str(error))
        if killed:
            how = f"was killed by {killed[2]}" if killed[2] else "ended without a word"
            fix = "look for a want of memory, or use --workers 0"
            if "Bus" in (killed[2] or ""):
                fix = "give more shared memory (/dev/shm), or use --workers 0"
            raise SampleError(f"the process {killed[1]} that reads data {how}", at="dataset", fix=fix) from error
        if "DataLoader timed out" in str(error):
            what = f"the processes that read data gave no batch for {WORKER_SECONDS:g} s"
            raise SampleError(what, at="dataset", fix="look at what it waits for, or use --workers 0") from error
        raise _unread(error) from error
    except Exception as error:
        raise _unread(error) from error


def _word_of_a_death() -> RuntimeError | None:
    """A pipe that breaks tells little; that a worker was killed is told by a signal, a moment later, wherever we are."""
    try:
        time.sleep(0.5)
    except RuntimeError as said:
        return said
    return None


def _unread(error: Exception) -> Exception:
    """A sample that raised, here or in a worker; an error of ours stays what it is."""
    if isinstance(error, GanregError):
        return error
    remote = re.match(r"Caught (\w+) in DataLoader worker process (\d+)\.\n", str(error))
    if remote:
        lines = str(error).strip().splitlines()
        places = re.findall(r'File "([^"]+)", line (\d+)', str(error))
        where = ":".join(places[-1]) if places else "dataset"
        return SampleError(f"a sample cannot be read, in worker {remote[2]}: {lines[-1]}", at=where, fix=FIX)
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "dataset"
    return SampleError(f"a sample cannot be read: {type(error).__name__}: {error}", at=where, fix=FIX)
