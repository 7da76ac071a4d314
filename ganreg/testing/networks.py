"""What generators and discriminators must do."""

from __future__ import annotations

import inspect
import warnings
from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor, nn

from ganreg.errors import ExportError, MissingExtraError
from ganreg.portable import onnx, program
from ganreg.portable.frozen import freeze
from ganreg.testing.subject import Subject, expect

COUNT = 4
STEPS = 3
"""Steps of training within which every weight must have had a gradient: some start at zero."""


def _everything(answer: Any) -> list[Tensor]:
    """All that it answers and that weights can learn from: logits, class logits, what penalties read."""
    if isinstance(answer, Tensor):
        return [answer]
    told = [answer.logits, answer.class_logits, answer.features, answer.embedding, *answer.extras.values()]
    return [one for one in told if isinstance(one, Tensor) and one.requires_grad]


def _first(answer: Any) -> Tensor:
    """Samples, or the logits of whatever a discriminator answers."""
    result: Tensor = getattr(answer, "logits", answer)
    return result


def _asked(subject: Subject, seed: int = 0) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The network, and latents or samples to ask it with; labels, too, where it takes them."""
    network = subject.made(seed)
    if subject.part.component.kind == "discriminator":
        inputs = subject.samples(COUNT)
    else:
        inputs = torch.randn(COUNT, network.latent_dim, generator=torch.Generator().manual_seed(2))
    takes_labels = "labels" in inspect.signature(network.forward).parameters
    return network, (inputs, subject.labels(COUNT)) if takes_labels else (inputs,)


def makes_samples_that_fit(subject: Subject) -> None:
    """[N, latent_dim] -> [N, *shape], float32, in the data's range."""
    network, inputs = _asked(subject)
    with torch.no_grad():
        made = network(*inputs)
    shape = [COUNT, *subject.spec.shape]
    expect(isinstance(made, Tensor), f"forward must return a tensor, got {type(made).__name__}")
    expect(list(made.shape) == shape, f"forward must make samples {shape}, made {list(made.shape)}")
    expect(made.dtype == torch.float32, f"samples must be float32, are {made.dtype}")
    if subject.spec.value_range is not None:
        low, high = subject.spec.value_range
        expect(bool((made >= low).all() and (made <= high).all()), f"samples must lie in [{low:g}, {high:g}]: end in a tanh")


def gives_logits(subject: Subject) -> None:
    """[N, *shape] -> [N, …] of logits: no probabilities, and the first dimension that of the samples."""
    network, (samples, *labels) = _asked(subject)
    logits = _first(network(samples, *labels))
    expect(isinstance(logits, Tensor), f"forward must return logits, got {type(logits).__name__}")
    expect(
        logits.dim() > 0 and len(logits) == COUNT, f"logits of {COUNT} samples must be [{COUNT}, …], are {list(logits.shape)}"
    )
    with torch.no_grad():
        far = torch.cat([_first(network.eval()(samples * scale, *labels)).flatten() for scale in (1.0, 100.0, -100.0)])
    bounded = bool((far > 0).all() and (far < 1).all())
    expect(not bounded, "what it gives lies between 0 and 1 for any input: return logits, without the sigmoid")


def reaches_every_weight(subject: Subject) -> None:
    """Each weight has a gradient that is not zero within a few steps."""
    network, inputs = _asked(subject)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    waiting = {name for name, one in network.named_parameters() if one.requires_grad}
    for step in range(STEPS):
        optimizer.zero_grad()
        rng = torch.Generator().manual_seed(step)
        outs = _everything(network(*inputs))
        torch.autograd.backward([(out * torch.randn(out.shape, generator=rng)).sum() for out in outs])
        waiting -= {name for name, one in network.named_parameters() if one.grad is not None and bool(one.grad.any())}
        optimizer.step()
    expect(not waiting, f"no gradient reached {', '.join(sorted(waiting))} in {STEPS} steps: use them, or leave them out")


def repeats_itself(subject: Subject) -> None:
    """The same seed builds the same weights; in eval mode the same inputs give the same outputs, of a D with the same seed."""
    (network, inputs), (again, _) = _asked(subject, 3), _asked(subject, 3)
    _shake(network)
    _shake(again)
    generates = subject.part.component.kind == "generator"
    outs = []
    for one, seed in ((network, 7), (again, 7), (again, 8 if generates else 7)):
        torch.manual_seed(seed)
        with torch.no_grad():
            outs.append(_first(one.eval()(*inputs)))
    expect(torch.equal(outs[0], outs[1]), "built twice with one seed it differs: draw weights from torch's generator alone")
    expect(
        torch.equal(outs[1], outs[2]),
        "asked twice in eval mode it answers differently: keep no hidden state, and draw no noise where G is in eval mode",
    )


def _shake(network: nn.Module) -> None:
    """Move every weight a little: a gain that starts at 0 would hide what it multiplies."""
    torch.manual_seed(5)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))


def restores_its_state(subject: Subject) -> None:
    """`state_dict` holds all that an output depends on."""
    network, inputs = _asked(subject, 3)
    torch.autograd.backward(_first(network.train()(*inputs)).sum())  # running statistics move
    other, _ = _asked(subject, 4)
    other.load_state_dict(network.state_dict())
    outs = []
    for one in (network, other):
        torch.manual_seed(7)
        with torch.no_grad():
            outs.append(_first(one.eval()(*inputs)))
    expect(
        torch.equal(outs[0], outs[1]),
        "after load_state_dict it answers differently: keep all in parameters or buffers",
    )


def may_be_asked_twice_before_backward(subject: Subject) -> None:
    """The engine asks D of reals and of fakes, and only then goes back."""
    network, (inputs, *labels) = _asked(subject)
    first = _first(network(inputs, *labels))
    second = _first(network(inputs * 0.5, *labels))
    try:
        torch.autograd.backward(first.sum() + second.sum())
    except RuntimeError as error:
        raise AssertionError(
            f"backward after two forwards fails: write into nothing in place that a graph needs ({error})"
        ) from error


def differentiates_twice(subject: Subject) -> None:
    """For R1 and gradient penalties: the gradient at the samples has a gradient in the weights."""
    network, (samples, *labels) = _asked(subject)
    samples.requires_grad_()
    try:
        (slope,) = torch.autograd.grad(_first(network(samples, *labels)).sum(), samples, create_graph=True)
        torch.autograd.backward(slope.square().sum())
    except RuntimeError as error:
        raise AssertionError(f"it cannot be differentiated twice, which gradient penalties need: {error}") from error
    grads = [one.grad for one in network.parameters() if one.grad is not None]
    expect(bool(grads), "the gradient at the samples depends on no weight")
    expect(all(bool(grad.isfinite().all()) for grad in grads), "its second derivative is not finite")


def computes_in_bfloat16(subject: Subject) -> None:
    """Under autocast outputs and gradients stay finite."""
    network, inputs = _asked(subject)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = _first(network(*inputs))
    torch.autograd.backward(out.float().sum())
    grads = [one.grad for one in network.parameters() if one.grad is not None]
    finite = bool(out.isfinite().all()) and all(bool(grad.isfinite().all()) for grad in grads)
    expect(finite, "under bfloat16 autocast an output or gradient is not finite: compute the delicate part in float32")


def compiles(subject: Subject) -> None:
    """`torch.compile` makes one graph of it, forward and backward, with the same numbers."""
    network, inputs = _asked(subject)
    network.eval()
    wanted = _first(network(*inputs))
    torch._dynamo.reset()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            got = _first(torch.compile(network, backend="aot_eager", fullgraph=True)(*inputs))
            torch.autograd.backward(got.sum())
    except Exception as error:
        why = (str(error).strip().splitlines() or [""])[0]
        raise AssertionError(f"torch.compile fails, no python that depends on values belongs in forward: {why}") from error
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def exports(subject: Subject) -> None:
    """As torch-export it makes the same samples, for any batch; `exportable = False` on a generator says that it cannot."""
    try:
        frozen = freeze(_exportable(subject), subject.spec)
        program.check_program(program.written(program.program(frozen), {}), frozen)
    except ExportError as error:
        raise AssertionError(error.what) from error


def exports_to_onnx(subject: Subject) -> None:
    """In onnxruntime, too, where the extra `export` is installed."""
    try:
        onnx.check_installed()
    except MissingExtraError as error:
        raise SkipTest(f"{error.what}: {error.fix}") from error
    try:
        frozen = freeze(_exportable(subject), subject.spec)
        onnx.check_onnx(onnx.written(program.program(frozen), frozen, {}), frozen)
    except ExportError as error:
        raise AssertionError(error.what) from error


def _exportable(subject: Subject) -> nn.Module:
    network, _ = _asked(subject)
    if getattr(network, "exportable", True) is False:
        raise SkipTest("it says exportable = False")
    return network.eval()


BOTH = (
    reaches_every_weight,
    repeats_itself,
    restores_its_state,
    may_be_asked_twice_before_backward,
    computes_in_bfloat16,
    compiles,
)
GENERATOR = (makes_samples_that_fit, *BOTH, exports, exports_to_onnx)
DISCRIMINATOR = (gives_logits, *BOTH, differentiates_twice)
