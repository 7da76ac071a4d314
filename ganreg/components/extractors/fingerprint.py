"""One short text that changes when an extractor's weights or settings do, so that unlike features are not compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import torch
from torch import Tensor


def fingerprint_of(weights: Mapping[str, Tensor] | None = None, **facts: object) -> str:
    """Weights by name, and plain values -> sha256, 64 hexadecimal digits."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted((weights or {}).items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
