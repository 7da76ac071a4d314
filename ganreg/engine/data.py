"""Real samples: an endless, seeded stream whose position is one integer.

Sample number i of the stream is entry i mod M of the permutation of epoch i div M, and that permutation is a function of
(seed, epoch): nothing but the position needs to be saved.  Data that lies in memory is indexed on the device.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
)

from ganreg.contracts import DataSpec
from ganreg.engine.reading import WORKER_SECONDS, BatchOrder, Seeded, ahead, failures_told, start_worker
from ganreg.errors import BadSampleError, DataError, TooFewSamplesError

IN_MEMORY_BYTES = 1 << 30
MAX_CLASSES = 65_536  # labels beyond are no classes, but numbers of something else


class Batch(NamedTuple):
    """Real samples [N, *spec.shape] and their labels [N] or None, on the device."""

    real: Tensor
    labels: Tensor | None


class Order:
    """The order of an endless pass over `count` samples."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed
        self._epoch = -1
        self._permutation = torch.empty(0, dtype=torch.int64)

    def indices(self, position: int, batch_size: int) -> Tensor:
        """Indices [batch_size] of the stream's samples from `position` on."""
        parts = []
        while batch_size > 0:
            epoch, start = divmod(position, self.count)
            part = self._of_epoch(epoch)[start : start + batch_size]
            parts.append(part)
            position += len(part)
            batch_size -= len(part)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _of_epoch(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            stream = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) % 2**63)
            self._permutation = torch.randperm(self.count, generator=stream)
            self._epoch = epoch
        return self._permutation


class Source:
    """What can be trained on, with its spec: built by `source_of` from whatever the user has."""

    def __init__(self, dataset: Any, spec: DataSpec, loader: DataLoader[Any] | None = None) -> None:
        self.dataset = dataset
        self.spec = spec
        self.loader = loader
        self.collate = loader.collate_fn if loader is not None else None

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def ordered_by_us(self) -> bool:
        """Whether our sampler gives the order, so that a resumed run goes on exactly."""
        if isinstance(self.dataset, IterableDataset):
            return False
        if self.loader is None:
            return True
        if type(self.loader.batch_sampler) is not BatchSampler:
            return False
        sampler = self.loader.sampler
        whole = type(sampler) is RandomSampler and not sampler.replacement and sampler.num_samples == len(self.dataset)
        return whole or type(sampler) is SequentialSampler

    @property
    def tensors(self) -> tuple[Tensor, ...] | None:
        """All samples, and labels, when they lie in memory and nothing of the user's stands between them and a batch."""
        held = getattr(self.dataset, "tensors", None)
        ours = type(self.dataset) is TensorDataset or isinstance(getattr(self.dataset, "spec", None), DataSpec)
        plain = self.loader is None or self.loader.collate_fn is default_collate
        if not (ours and plain and isinstance(held, tuple) and 1 <= len(held) <= 2):
            return None
        return held if sum(tensor.numel() * tensor.element_size() for tensor in held) <= IN_MEMORY_BYTES else None

    @property
    def as_bytes(self) -> bool:
        """Whether samples can be read as bytes, and nothing of the user's expects numbers."""
        ours = isinstance(getattr(self.dataset, "spec", None), DataSpec) and hasattr(self.dataset, "as_bytes")
        return ours and self.loader is None

    def fingerprint(self) -> str:
        """The data set's own, or what can be told cheaply."""
        own = getattr(self.dataset, "fingerprint", None)
        count = len(self.dataset) if hasattr(self.dataset, "__len__") else "stream"
        return str(own()) if own is not None else f"{type(self.dataset).__name__}:{count}:{self.spec.shape}"


class Batches:
    """Endless batches of a source, from any position on."""

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int,
        seed: int,
        device: torch.device,
        workers: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.source = source
        self.batch_size = batch_size
        self.share = slice(rank * batch_size // ranks, (rank + 1) * batch_size // ranks)
        self._rank, self._ranks = rank, ranks
        self.device = device
        self.workers = workers
        self.position = 0
        self._stream: Iterator[Batch] | None = None
        self._tensors: tuple[Tensor, ...] | None = None
        if ranks > 1 and not source.ordered_by_us:
            raise DataError(
                "data with an order of its own would give every rank the same samples",
                at="dataset",
                fix="give a map-style data set, or a loader that shuffles it",
            )
        if source.ordered_by_us:
            if len(source) < batch_size:
                raise TooFewSamplesError(
                    f"one batch is {batch_size} samples, the data set has {len(source)}",
                    at="--batch-size",
                    fix=f"use --batch-size {max(1, len(source))} or less, or more data",
                )
            self._order = Order(len(source), seed)
            held = source.tensors
            self._tensors = tuple(tensor.to(device) for tensor in held) if held is not None else None

    def next(self) -> Batch:
        """This rank's share of the next batch; `position` counts samples drawn by all ranks."""
        if self._tensors is not None:
            chosen = self._order.indices(self.position, self.batch_size)[self.share]
            if self.device.type == "cuda":
                chosen = chosen.pin_memory()  # else the host would wait for the copy
            chosen = chosen.to(self.device, non_blocking=True)
            batch = self._made([tensor.index_select(0, chosen) for tensor in self._tensors])
        else:
            if self._stream is None:
                made = map(self._made, self._read())
                self._stream = ahead(made, self.device) if self.device.type == "cuda" else made
            with failures_told():
                batch = next(self._stream)
        self.position += len(batch.real) * self._ranks
        return batch

    def close(self) -> None:
        """Let the processes that read go; the next batch starts them anew."""
        self._stream = None

    def _made(self, items: Any) -> Batch:
        return _as_batch(items, self.source.spec, self.device)

    def seek(self, position: int) -> None:
        """Go to a position of the stream; a stream with an order of its own is read up to there."""
        if position == self.position and self._stream is None:
            return
        self._stream = None
        if self._tensors is None and not self.source.ordered_by_us:
            warnings.warn("the data set has an order of its own: resuming is not exact", stacklevel=2)
            self.position = 0
            while self.position < position:
                self.next()
        self.position = position

    def _workers_seed(self) -> torch.Generator:
        """A stream for random transforms in workers: another for each seed and each position that reading starts from."""
        start = (self._order.seed * 1_000_003 + self.position) * self._ranks + self._rank
        return torch.Generator().manual_seed(start % 2**63)

    def _read(self) -> Iterator[Any]:
        if self.source.ordered_by_us:
            yield from DataLoader(
                Seeded(self.source.dataset, self._order.seed, as_bytes=self.source.as_bytes),
                batch_sampler=BatchOrder(self._order, self.position, self.batch_size, self.share),
                num_workers=self.workers,
                timeout=WORKER_SECONDS if self.workers else 0,
                collate_fn=self.source.collate,
                persistent_workers=self.workers > 0,
                pin_memory=self.device.type == "cuda",
                worker_init_fn=partial(start_worker, getattr(self.source.loader, "worker_init_fn", None)),
                generator=self._workers_seed(),  # its own, so that starting it does not touch the run's random numbers
            )
        loader = self.source.loader
        if loader is None:
            loader = DataLoader(self.source.dataset, batch_size=self.batch_size, num_workers=self.workers, drop_last=True)
        while True:
            count = 0
            for items in loader:
                first = items if isinstance(items, Tensor) else items[0]
                if len(first) < (loader.batch_size or 1):
                    continue  # the short rest of a pass, as drop_last would
                count += 1
                yield items
            if count == 0:
                raise TooFewSamplesError(
                    f"the data loader gave no batch of {self.batch_size}",
                    at="dataset",
                    fix="use a smaller batch, or more data",
                )


def source_of(data: Any) -> Source:
    """A tensor [M, …], a pair (samples, labels), a Dataset, a DataLoader -> a source.  Raises TypeError, BadSampleError."""
    loader = data if isinstance(data, DataLoader) else None
    dataset = data.dataset if isinstance(data, DataLoader) else data
    if isinstance(dataset, Tensor):
        _check_samples(dataset)
        dataset = TensorDataset(dataset)
    elif isinstance(dataset, tuple | list) and len(dataset) == 2 and all(isinstance(x, Tensor) for x in dataset):
        if len(dataset[0]) != len(dataset[1]):
            raise ValueError(f"expected as many labels as samples, got {len(dataset[1])} and {len(dataset[0])}")
        _check_samples(dataset[0])
        dataset = TensorDataset(*dataset)
    elif not isinstance(dataset, Dataset) and not hasattr(dataset, "__getitem__"):
        raise TypeError(
            f"expected a tensor, a pair of tensors, a Dataset, a DataLoader or a registered name, got {type(data).__name__}"
        )
    if hasattr(dataset, "__len__") and not isinstance(dataset, IterableDataset) and len(dataset) == 0:
        raise TooFewSamplesError("the data set is empty", at="dataset", fix="give it samples")
    spec = getattr(dataset, "spec", None)
    return Source(dataset, spec if isinstance(spec, DataSpec) else _infer_spec(dataset), loader)


def check(batch: Batch, spec: DataSpec) -> None:
    """Look at the first batch.  Raises BadSampleError; warns when images are not in the range that was promised."""
    if tuple(batch.real.shape[1:]) != spec.shape:
        raise BadSampleError(
            f"a sample has shape {list(batch.real.shape[1:])}, the data set promises {list(spec.shape)}",
            at="dataset",
            fix="correct the data set's spec",
        )
    if not bool(torch.isfinite(batch.real).all()):
        raise BadSampleError("a sample holds nan or inf", at="dataset", fix="clean the data")
    low, high = float(batch.real.min()), float(batch.real.max())
    if low == high and len(batch.real) > 1:
        raise BadSampleError(f"every value of the first batch is {low:g}", at="dataset", fix="look at the data")
    if spec.value_range is not None:
        least, most = spec.value_range
        if low < least - 1e-3 or high > most + 1e-3 or (low >= 0 and least < 0):
            warnings.warn(
                f"the data promises values in [{least:g}, {most:g}], the first batch has [{low:g}, {high:g}]",
                stacklevel=2,
            )


def _check_samples(samples: Tensor) -> None:
    if samples.dim() < 2 or samples.is_sparse or samples.is_complex():
        kind = "sparse" if samples.is_sparse else str(samples.dtype).removeprefix("torch.")
        raise ValueError(f"expected dense, real samples [M, …], got {kind} {list(samples.shape)}")


def _as_batch(items: Any, spec: DataSpec, device: torch.device) -> Batch:
    parts: Sequence[Tensor] = (items,) if isinstance(items, Tensor) else items
    real = parts[0].detach().to(device, non_blocking=True)
    real = real.float().div(127.5).sub(1.0) if real.dtype == torch.uint8 else real.float()
    labels = parts[1].to(device, non_blocking=True).long() if spec.num_classes and len(parts) > 1 else None
    return Batch(real, labels)


def _infer_spec(dataset: Any) -> DataSpec:
    """From the first sample: images [C, H, W] are in (-1, 1), everything else is unbounded."""
    sample = next(iter(dataset)) if isinstance(dataset, IterableDataset) else dataset[0]
    first, *rest = sample if isinstance(sample, tuple | list) else (sample,)
    if not isinstance(first, Tensor):
        raise TypeError(f"expected samples that are tensors, got {type(first).__name__}; add a transform to the data set")
    return DataSpec(
        shape=tuple(first.shape),
        num_classes=_count_classes(dataset) if rest else 0,
        value_range=(-1.0, 1.0) if first.dim() == 3 else None,
    )


def _count_classes(dataset: Any) -> int:
    """From labels that are whole numbers, one for each sample; 0 where they are something else.  Raises ValueError."""
    labels = labels_of(dataset)
    if labels is None or labels.is_floating_point() or labels.dim() != 1:
        return 0
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= MAX_CLASSES:
        raise ValueError(f"expected labels from 0 to {MAX_CLASSES - 1}, got {least} to {most}")
    return most + 1


def labels_of(dataset: Any) -> Tensor | None:
    """All labels of a data set that has them at hand: its attribute `labels`, or the second of its `tensors`."""
    tensors: Any = getattr(dataset, "tensors", ())
    labels = getattr(dataset, "labels", tensors[1] if isinstance(tensors, tuple) and len(tensors) == 2 else None)
    return torch.as_tensor(labels) if labels is not None else None
