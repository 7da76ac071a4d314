"""Several processes, one run: what they share out, average, and agree on.

The batch size is that of an update, over all ranks: rank r of R takes the r-th of R equal shares of the same real samples
and the same latents that one process would have used, so that neither depends on R.  Gradients that exist, the values that
are logged and batch norm's running statistics are flattened, summed over ranks, divided by R and copied back before the
optimizer's step; replicas therefore stay equal, bit for bit.  There is no wrapper around a network: a penalty's backward of
its own is as good as any.

Random numbers beside the latents (dropout, noise, augmentations) come from a seed for each rank and step, so that nothing
of them has to be saved.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from ganreg.errors import RankError

T = TypeVar("T", Tensor, Tensor | None)

BUCKET_BYTES = 25 << 20
"""Of one collective: the next is filled while this one travels."""

NAMING_SECONDS = 10.0
"""How long a rank has to answer once contact is lost, before it is named."""

CHECK_EVERY = 500
"""Steps between two looks at whether the ranks still agree."""

VARIABLES = ("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run."""

    rank: int = 0
    size: int = 1
    seed: int = 0
    watch: Any = field(default=None, repr=False)  # a gloo group, for barriers and for plain values
    _rooms: dict[tuple[str, int], Tensor] = field(default_factory=dict, repr=False, compare=False)
    _patient: dict[float, Any] = field(default_factory=dict, repr=False, compare=False)  # groups by their time limits

    @property
    def is_main(self) -> bool:
        """Whether this rank speaks and writes."""
        return self.rank == 0

    def share(self, tensor: T) -> T:
        """This rank's part [N / size, ...] of what all ranks hold [N, ...]; nothing of nothing."""
        return tensor if tensor is None or self.size == 1 else tensor.chunk(self.size)[self.rank]

    def begin_step(self, step: int) -> None:
        """Give this step of this rank random numbers of its own."""
        if self.size > 1:
            torch.manual_seed(((self.seed * 1_000_003 + step) * self.size + self.rank) % 2**63)

    def average(self, tensors: Sequence[Tensor], what: str = "") -> tuple[list[Tensor], Tensor | None]:
        """Each one's mean over ranks, and whether this rank's own were finite (0-dim, bool; None when alone).

        The means lie in memory that the next call about the same `what` writes over: at a step's end they are old.
        """
        if self.size == 1:
            return list(tensors), None
        flying = []
        with self._named("a gradient was averaged"), torch.no_grad():
            for number, bucket in enumerate(_buckets(tensors)):
                flat = self._room((what, number), sum(tensors[index].numel() for index in bucket), tensors[bucket[0]])
                torch.cat([_in_memory_order(tensors[index]) for index in bucket], out=flat)
                finite = torch.isfinite(flat.sum())
                flying.append((bucket, flat, finite, dist.all_reduce(flat, async_op=True)))
            means: dict[int, Tensor] = {}
            for bucket, flat, _, handle in flying:
                handle.wait()
                flat /= self.size
                parts = torch.split(flat, [tensors[index].numel() for index in bucket])
                means |= {index: _laid_as(part, tensors[index]) for index, part in zip(bucket, parts, strict=True)}
        return [means[index] for index in range(len(tensors))], torch.stack([finite for _, _, finite, _ in flying]).all()

    def _room(self, key: tuple[str, int], count: int, like: Tensor) -> Tensor:
        """The same memory at every step: fresh memory costs a page fault each 4 KiB."""
        if key not in self._rooms or self._rooms[key].numel() != count or self._rooms[key].dtype != like.dtype:
            self._rooms[key] = torch.empty(count, dtype=like.dtype, device=like.device)
        return self._rooms[key]

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Give every rank the main rank's."""
        if self.size > 1:
            with self._named("weights were handed out"):
                for tensor in tensors:
                    whole = tensor.detach().contiguous()
                    dist.broadcast(whole, src=0)
                    tensor.detach().copy_(whole)

    def gather(self, value: Any, what: str) -> list[Any]:
        """Every rank's plain value, in the order of ranks."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        with self._named(what):
            dist.all_gather_object(found, value, group=self.watch)
        return found

    def check_agree(self, facts: Mapping[str, str], *, step: int) -> None:
        """Raises RankError, on every rank, where ranks hold different facts."""
        told = self.gather(dict(facts), "the ranks were compared")
        for name, value in told[0].items():
            for rank, other in enumerate(told):
                if other.get(name) != value:
                    raise RankError(
                        f"ranks 0 and {rank} disagree on the {name} at step {step}: {value} and {other.get(name)}",
                        at=f"rank {rank}",
                        fix="start every rank with the same command, code, data and devices",
                    )

    def be_patient(self, seconds: float) -> None:
        """Before the first `wait` of so many seconds, on every rank: a group has one time limit for all that it does."""
        if self.size > 1 and seconds not in self._patient:
            with self._named("a group with a time limit of its own was made"):
                self._patient[seconds] = dist.new_group(backend="gloo", timeout=timedelta(seconds=seconds))

    def wait(self, what: str, *, seconds: float) -> None:
        """Until every rank is here, which may take longer than the common timeout.  Raises RankError, which says what for."""
        if self.size == 1:
            return
        try:
            dist.monitored_barrier(self._patient[seconds], timeout=timedelta(seconds=seconds))
        except RuntimeError as error:
            raise RankError(
                f"a rank was gone, or late by more than {seconds:g} s, while {what}",
                at=f"rank {self.rank}",
                fix="look at that rank's own output; a slow metric may need a longer --metric-timeout",
            ) from error

    def main_says(self, wanted: bool) -> bool:
        """The main rank's word, on every rank."""
        return bool(self.gather(wanted, "the main rank was asked whether to go on")[0])

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        """Turn a broken or late collective into an error that names who is missing.  Raises RankError."""
        try:
            yield
        except RuntimeError as error:  # what torch raises for a lost connection and for a timeout
            raise RankError(
                f"{self._missing()} while {what}: {(str(error).splitlines() or [''])[0]}",
                at=f"rank {self.rank}",
                fix="look at that rank's own output; a slow one may need a longer --rank-timeout",
            ) from error

    def _missing(self) -> str:
        try:
            dist.monitored_barrier(self.watch, timeout=timedelta(seconds=NAMING_SECONDS), wait_all_ranks=True)
        except RuntimeError as error:
            named = re.search(r"[Rr]anks? ([\d, ]+) failed to pass", str(error))
            if named:
                return f"rank {named.group(1).strip(' ,')} did not answer"
        return "contact with another rank was lost"


ALONE = Ranks()


def expected() -> int:
    """How many processes torchrun says this run has; 1 without it.  Raises RankError for half an environment."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_world_size()
    if "RANK" not in os.environ:
        return 1
    missing = [name for name in VARIABLES if name not in os.environ]
    if missing:
        raise RankError(
            f"RANK is set, but {', '.join(missing)} is not: this process belongs to a group that cannot be found",
            at="the environment",
            fix="start it with torchrun or with --nproc, or unset RANK",
        )
    return int(os.environ["WORLD_SIZE"])


def start(device: torch.device, *, seed: int, timeout: float) -> Ranks:
    """Join the group that torchrun started; alone without it.  Raises RankError."""
    size = expected()
    if size == 1:
        return ALONE
    limit = timedelta(seconds=timeout)
    try:
        if not dist.is_initialized():
            backend = "nccl" if device.type == "cuda" else "gloo"
            store = _store(size, limit)
            dist.init_process_group(backend, store=store, rank=int(os.environ["RANK"]), world_size=size, timeout=limit)
        watch = dist.new_group(backend="gloo", timeout=limit)
    except (RuntimeError, ValueError, OSError) as error:
        raise RankError(
            f"the {size} ranks do not find each other: {str(error).splitlines()[0]}",
            at=f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}",
            fix="let all ranks start within the timeout, with a free port and a network between them",
        ) from error
    return Ranks(dist.get_rank(), dist.get_world_size(), seed, watch)


def _store(size: int, limit: timedelta) -> Any:
    """Where ranks leave their addresses, apart from those of ranks that died: torchrun keeps one store over restarts."""
    hosts_itself = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True" and os.environ["RANK"] == "0"
    made: Any = dist  # whose type hints leave the stores out
    store = made.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), size, hosts_itself, limit)
    if os.environ.get("LOCAL_WORLD_SIZE", "") == str(size):
        life = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    else:  # machines count their restarts apart, so that arrivals are counted, `size` of them a life
        life = f"arrived-{(store.add('ganreg-arrivals', 1) - 1) // size}"
    return made.PrefixStore(f"ganreg-{life}", store)


def leave() -> None:
    """Leave the group, if there is one."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def local_device(device: torch.device) -> torch.device:
    """The card of this rank on its machine, where the run is on cards."""
    if device.type == "cuda" and "LOCAL_RANK" in os.environ:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    return device


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[int]]:
    """Indices of tensors of one dtype each, up to BUCKET_BYTES together."""
    by_dtype: dict[torch.dtype, list[int]] = {}
    for index, tensor in enumerate(tensors):
        by_dtype.setdefault(tensor.dtype, []).append(index)
    for same in by_dtype.values():
        bucket: list[int] = []
        size = 0
        for index in same:
            if bucket and size + tensors[index].nbytes > BUCKET_BYTES:
                yield bucket
                bucket, size = [], 0
            bucket.append(index)
            size += tensors[index].nbytes
        yield bucket


def _is_whole(tensor: Tensor) -> bool:
    """Whether its numbers lie side by side, in some order of its dimensions."""
    return tensor.is_contiguous() or (tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last))


def _in_memory_order(tensor: Tensor) -> Tensor:
    return tensor.as_strided((tensor.numel(),), (1,)) if _is_whole(tensor) else tensor.reshape(-1)


def _laid_as(flat: Tensor, like: Tensor) -> Tensor:
    return flat.as_strided(like.size(), like.stride()) if _is_whole(like) else flat.view(like.size())
