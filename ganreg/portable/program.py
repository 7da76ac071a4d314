"""torch-export: a graph of torch's own operators in a .pt2 file, which `torch.export.load` reads without ganreg.

The batch is free, from 1 to `batch_max`.  Nothing is handed over before what was written has been read again and has made, for
a batch of 1 and one of 7, what the generator makes.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from ganreg.errors import ExportError, reason_of
from ganreg.portable.frozen import DRAWS, Frozen

BATCHES = (1, 7)
TOLERANCE = 1e-4
BATCH_MAX = 4096
TRACED = 2
"""Samples of the batch that the graph is drawn with: torch takes 1 for a constant."""

OURS_ALONE = ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node", "custom")
"""What torch notes beside a node: modules and lines of files of this machine, which are nobody else's business."""


@torch.no_grad()
def program(frozen: Frozen, *, batch_max: int = BATCH_MAX) -> ExportedProgram:
    """The generator's graph, its batch free from 1 to `batch_max` (at least 2).

    Raises ExportError for Python that depends on values, for random numbers that cannot be fixed, and for operators that are
    not torch's.
    """
    inputs = frozen.inputs(TRACED)
    batch = Dim("batch", min=1, max=batch_max)
    free: dict[str, Any] = {"z": {0: batch}, "labels": {0: batch} if frozen.conditional else None}
    try:
        with quiet():
            made = torch.export.export(frozen, inputs, dynamic_shapes=free if frozen.conditional else {"z": free["z"]})
    except Exception as error:
        raise _refused(f"torch.export fails: {reason_of(error)}", frozen) from error
    _check_operators(made, frozen)
    _forget_places(made)
    return made


def written(made: ExportedProgram, facts: Mapping[str, Any]) -> bytes:
    """The .pt2 file; `facts` lie in it as the extra file ganreg.json."""
    buffer = io.BytesIO()
    with quiet():
        torch.export.save(made, buffer, extra_files={"ganreg.json": json.dumps(facts, indent=1)})
    return buffer.getvalue()


@torch.no_grad()
def check_program(content: bytes, frozen: Frozen, *, batch_max: int = BATCH_MAX) -> float:
    """Read a .pt2 file and let it make samples -> the largest difference.  Raises ExportError above 1e-4."""
    with quiet():
        again = torch.export.load(io.BytesIO(content)).module()
    return largest_difference(again, frozen, batch_max=batch_max, what="the torch-export")


@torch.no_grad()
def largest_difference(
    other: Callable[..., Tensor], frozen: Frozen, *, batch_max: int = BATCH_MAX, what: str = "the export"
) -> float:
    """Between its samples and the generator's, over `BATCHES`.  Raises ExportError above 1e-4, or where it makes others."""
    worst = 0.0
    for count in sorted({min(one, batch_max) for one in BATCHES}):
        inputs = frozen.inputs(count, seed=count)
        wanted = frozen(*inputs)
        try:
            got = other(*inputs)
        except Exception as error:
            raise _refused(f"{what} fails for a batch of {count}: {reason_of(error)}", frozen) from error
        if got.shape != wanted.shape:
            shapes = f"samples {list(got.shape)}, the generator {list(wanted.shape)}"
            raise _refused(f"{what} makes {shapes}", frozen)
        apart = float((got - wanted).abs().max())
        if not apart <= TOLERANCE:
            raise _refused(f"{what} is {apart:.3g} away from the generator's samples, at most {TOLERANCE} is let pass", frozen)
        worst = max(worst, apart)
    return worst


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings that torch's exporters have for their own authors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check_operators(made: ExportedProgram, frozen: Frozen) -> None:
    for node in made.graph.nodes:
        if not isinstance(node.target, torch._ops.OpOverload):
            continue
        if torch.Tag.nondeterministic_seeded in node.target.tags:
            known = " or ".join(f"torch.{one.__name__}" for one in DRAWS)
            raise _refused(f"it draws random numbers with {node.target}: draw them with {known}, which can be fixed", frozen)
        if node.target.namespace not in ("aten", "prims"):
            raise _refused(f"it uses the operator {node.target}, which is not torch's own", frozen)


def _forget_places(made: ExportedProgram) -> None:
    for module in made.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            for name in OURS_ALONE:
                node.meta.pop(name, None)


def _refused(what: str, frozen: Frozen) -> ExportError:
    return ExportError(what, at=type(frozen.generator).__name__, fix="export the weights alone: --format safetensors")
