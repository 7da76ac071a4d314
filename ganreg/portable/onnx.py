"""ONNX: the same graph in the form that runtimes of other languages, browsers and phones read.

Inputs `z` [batch, latent_dim] float32 and, for a generator that is told the class, `labels` [batch] int64; output `samples`.
Nothing is handed over before onnxruntime has made, for a batch of 1 and one of 7, what torch makes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from ganreg.errors import ExportError, reason_of
from ganreg.extras import imported
from ganreg.portable.frozen import Frozen
from ganreg.portable.program import BATCH_MAX, TRACED, largest_difference, quiet

MOST_BYTES = 2_000_000_000
"""Of one file: a protobuf ends at 2 GiB."""


def check_installed() -> None:
    """Whether all that this takes is there.  Raises MissingExtraError."""
    for module in ("onnx", "onnxscript", "onnxruntime"):
        imported(module, extra="export", at="--format onnx")


def written(made: ExportedProgram, frozen: Frozen, facts: Mapping[str, Any]) -> bytes:
    """The .onnx file; `facts` lie in its metadata as `ganreg`.  Raises ExportError, MissingExtraError."""
    check_installed()
    size = sum(tensor.nbytes for tensor in made.state_dict.values())
    if size > MOST_BYTES:
        raise _refused(f"its weights are {size:,} bytes, an ONNX file holds {MOST_BYTES:,}", frozen)
    inputs = frozen.inputs(TRACED)
    names = ["z", "labels"][: len(inputs)]
    try:
        with quiet(), _silent("torch.onnx"), torch.no_grad():
            converted = torch.onnx.export(made, inputs, dynamo=True, verbose=False, input_names=names, output_names=["samples"])
    except Exception as error:
        raise _refused(f"torch.onnx fails: {reason_of(error)}", frozen) from error
    assert converted is not None
    return _named(converted.model_proto, facts)


def check_onnx(content: bytes, frozen: Frozen, *, batch_max: int = BATCH_MAX) -> float:
    """Let onnxruntime make samples -> the largest difference.  Raises ExportError above 1e-4."""
    runtime = imported("onnxruntime", extra="export", at="--format onnx")
    try:
        session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _refused(f"onnxruntime does not take it: {reason_of(error)}", frozen) from error
    names = [one.name for one in session.get_inputs()]

    def run(*inputs: Tensor) -> Tensor:
        given = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        return torch.from_numpy(session.run(["samples"], given)[0])

    return largest_difference(run, frozen, batch_max=batch_max, what="the ONNX")


def _named(model: Any, facts: Mapping[str, Any]) -> bytes:
    """With `batch` for the free dimension, and who made it."""
    graph = model.graph
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del graph.value_info[:]  # runtimes find the shapes between by themselves, and these have other names
    graph.name = "generator"
    entry = model.metadata_props.add()
    entry.key, entry.value = "ganreg", json.dumps(facts)
    content: bytes = model.SerializeToString()
    return content


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Without what a library logs below its errors."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _refused(what: str, frozen: Frozen) -> ExportError:
    return ExportError(
        f"the ONNX cannot be made: {what}", at=type(frozen.generator).__name__, fix="--format torch-export, or safetensors"
    )
