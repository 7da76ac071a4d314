"""Where tensors lie: what an in-place operator may overwrite."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor


def check_in_place(logits: tuple[Tensor, ...], others: Iterable[object]) -> None:
    """Each of the logits has a place of its own, and no other tensor that is read lies in its range of memory.

    Raises `ValueError`.  csrc/check.h holds the same rule for compiled programs, which meet the operators alone.
    """
    tensors = [other for other in others if isinstance(other, Tensor)]
    for place, one in enumerate(logits):
        if one.is_inference() and not torch.is_inference_mode_enabled():
            raise ValueError("expected logits that were not made in inference mode for the in-place form: clone() them")
        if one.is_neg():
            raise ValueError("expected logits without a lazy negation for the in-place form: resolve_neg() them")
        if not one.is_contiguous() and one.numel() > 1 and not _is_dense(one):
            raise ValueError("expected logits that do not share memory for the in-place form, got expanded or overlapping ones")
        for before in logits[:place]:
            if _overlap(one, before):
                raise ValueError("expected real and fake logits whose ranges of memory do not overlap for the in-place form")
        for other in tensors:
            if _overlap(one, other):
                raise ValueError("expected targets, weights and scale that do not overlap the logits for the in-place form")


def _is_dense(tensor: Tensor) -> bool:
    """Whether strides, sorted, step over each other without a meeting."""
    extent = 0
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1:
            if stride <= extent:
                return False
            extent += stride * (size - 1)
    return True


def _overlap(one: Tensor, other: Tensor) -> bool:
    """Whether their ranges of memory, each from its first byte to its last, meet."""
    if not (one.numel() and other.numel()):
        return False
    first, end = _range(one)
    its_first, its_end = _range(other)
    if _has_no_memory(one):
        together = one.untyped_storage()._cdata == other.untyped_storage()._cdata
        return together and bool(first < its_end and its_first < end)
    return bool(first < its_end and its_first < end)


def _range(tensor: Tensor) -> tuple[int | torch.SymInt, int | torch.SymInt]:
    """First byte and the one after the last: addresses, or places in the storage where there is no memory."""
    extent = sum(stride * (size - 1) for stride, size in zip(tensor.stride(), tensor.shape, strict=True))
    first = tensor.storage_offset() * tensor.element_size() if _has_no_memory(tensor) else tensor.data_ptr()
    return first, first + (extent + 1) * tensor.element_size()


def _has_no_memory(tensor: Tensor) -> bool:
    return tensor.is_meta or isinstance(tensor, FakeTensor)
