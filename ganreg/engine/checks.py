"""What is looked at before step 0, so that a part that cannot work is refused with a reason instead of failing half-way."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from ganreg.contracts import GAN, DataSpec, Loss, PenaltyContext, Regularizer
from ganreg.engine import value_and_grad
from ganreg.engine.networks import Player
from ganreg.engine.work import Network, as_output
from ganreg.errors import ContractError, GanregError, MismatchError

PHASES: tuple[Network, ...] = ("discriminator", "generator")
PROBE = 4  # logits on each side


def check_fit(gan: GAN, spec: DataSpec) -> None:
    """Run the pair once, two samples, on copies: nothing changes, no random number is used up.

    Raises MismatchError, with both shapes, when G's samples do not fit the data or D cannot judge them.
    """
    with torch.random.fork_rng(), torch.no_grad():
        generator, discriminator = _copy(gan.generator, "generator"), _copy(gan.discriminator, "discriminator")
        device = next((p.device for p in generator.parameters()), torch.device("cpu"))
        labels = torch.tensor([0, max(spec.num_classes - 1, 0)], device=device)
        maker = Player(generator, role="generator", num_classes=spec.num_classes)
        judge = Player(discriminator, role="discriminator", num_classes=spec.num_classes)
        try:
            made = maker(torch.randn(2, maker.latent_dim, device=device), labels)
        except Exception as error:
            raise _misfit(f"the generator cannot take latents [2, {maker.latent_dim}]: {_first_line(error)}") from error
        if not isinstance(made, Tensor):
            raise _misfit(f"the generator must make a tensor, it made a {type(made).__name__}")
        if tuple(made.shape) != (2, *spec.shape):
            raise _misfit(f"the generator makes samples {list(made.shape[1:])}, the data has samples {list(spec.shape)}")
        try:
            answer = judge(made, labels)
        except Exception as error:
            raise _misfit(f"the discriminator cannot take samples {list(made.shape[1:])}: {_first_line(error)}") from error
        logits = getattr(answer, "logits", answer)
        if not isinstance(logits, Tensor) or logits.dim() == 0 or len(logits) != 2:
            shape = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise _misfit(f"the discriminator must give logits [N, …] for N samples, for 2 it gave {shape}")


def check_classes(gan: GAN, spec: DataSpec, regularizers: Sequence[Regularizer] = ()) -> None:
    """Warn where one network is told the classes and the other is not: what the one knows, the other cannot learn.

    Class logits of D ask for a class where a penalty of G reads what D answers.
    """
    if spec.num_classes < 2:
        return
    read = any(one.network != "discriminator" and getattr(one, "shares_forward", False) for one in regularizers)
    with torch.random.fork_rng(), torch.no_grad():
        try:
            told = {
                role: _depends_on_labels(_copy(network, role), role, spec, read=read)
                for role, network in (("generator", gan.generator), ("discriminator", gan.discriminator))
            }
        except Exception:  # one that runs in training alone, or never two labels alike, need be no worse for it
            return
    if None in told.values():
        return
    for role, other, harm in (
        ("generator", "discriminator", "nothing asks for the right class, so that its samples need not be of it"),
        ("discriminator", "generator", "a fake is judged by a class that its maker was never told"),
    ):
        if told[role] and not told[other]:
            advice = "set `conditioning` of both networks, or of neither to 'none'; class logits want a penalty that reads them"
            warnings.warn(f"the {role} is told the classes, the {other} is not: {harm}; {advice}", stacklevel=2)


def _depends_on_labels(network: nn.Module, role: str, spec: DataSpec, *, read: bool) -> bool | None:
    """Whether its answer to one input is another for another class, or is a class that is read.  The network is used up.

    None where its answer is another for the same class, too.
    """
    network.eval()
    for parameter in network.parameters():
        if parameter.is_floating_point() and parameter.numel() > 0:  # what starts at 0, or as 1 for each class, hides a class
            most = float(parameter.abs().max())
            parameter.add_(torch.randn_like(parameter), alpha=0.1 * most or 0.1)
    player = Player(network, role=role, num_classes=spec.num_classes)
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    inputs = torch.randn(2, *((player.latent_dim,) if role == "generator" else spec.shape), device=device)
    answers = []
    for number in (0, 0, spec.num_classes - 1):
        torch.manual_seed(0)  # for those that draw noise
        answers.append(player(inputs, torch.full((2,), number, device=device)))
    if read and getattr(answers[0], "class_logits", None) is not None:
        return True
    once, again, other = (torch.nan_to_num(getattr(answer, "logits", answer)) for answer in answers)
    return not torch.equal(once, other) if torch.equal(once, again) else None


def check_joining(regularizers: Sequence[Regularizer], gan: GAN, spec: DataSpec) -> None:
    """Ask those that read the main phase's outputs once, on copies, so that what D does not answer is missed before step 0.

    Raises ContractError, also theirs.
    """
    joining = [one for one in regularizers if getattr(one, "shares_forward", False)]
    if not joining:
        return
    with torch.random.fork_rng(), torch.enable_grad():
        players = _copy(gan.generator, "generator").train(), _copy(gan.discriminator, "discriminator").train()
        for one in joining:
            for phase in PHASES if one.network == "both" else [one.network]:
                try:
                    deepcopy(one).penalty(_context(*players, spec, cast("Any", phase)))
                except GanregError:
                    raise
                except Exception as error:
                    raise _no_contract("regularizer", one, f"its penalty cannot be had: {_first_line(error)}") from error


def _context(generator: nn.Module, discriminator: nn.Module, spec: DataSpec, phase: Network) -> PenaltyContext:
    """What a penalty would see in its phase, of two samples."""
    maker = Player(generator, role="generator", num_classes=spec.num_classes)
    judge = Player(discriminator, role="discriminator", num_classes=spec.num_classes)
    device = next((p.device for p in generator.parameters()), torch.device("cpu"))
    labels = torch.zeros(2, dtype=torch.int64, device=device) if spec.num_classes else None
    latents = torch.randn(2, maker.latent_dim, device=device)
    judge.learns(phase == "discriminator")
    made = maker(latents, labels)
    real, fake = made.detach(), made if phase == "generator" else made.detach()
    return PenaltyContext(
        generator=generator,
        discriminator=discriminator,
        augment=lambda images: images,
        judge=lambda samples, chosen: as_output(judge(samples, chosen)),
        real=real,
        fake=fake,
        latents=latents,
        labels=labels,
        fake_labels=labels,
        real_output=as_output(judge(real, labels)),
        fake_output=as_output(judge(fake, labels)),
        step=0,
        images=0,
        rng=torch.Generator(device).manual_seed(0),
        phase=phase,
    )


def check_loss(loss: Loss) -> None:
    """Ask for both values once.  Raises ContractError unless each is one number that depends on the logits."""
    loss = deepcopy(loss)  # one with a memory must not remember this
    asks: dict[str, Callable[[Tensor], Any]] = {
        "discriminator": lambda x: value_and_grad.discriminator(loss, x, -x),
        "generator": lambda x: value_and_grad.generator(loss, x, -x),
    }
    for side, ask in asks.items():
        try:
            with torch.random.fork_rng():
                value = ask(torch.linspace(-1.0, 1.0, PROBE)).value
        except GanregError:
            raise
        except Exception as error:
            raise _no_contract("loss", loss, f"its {side} value cannot be had: {_first_line(error)}") from error
        if value.dim() != 0:
            raise _no_contract("loss", loss, f"its {side} value must be one number, got shape {list(value.shape)}")


CAPABILITIES = {"style": ("mapping", "synthesis", "w_avg")}
"""What a generator must have for a penalty that requires a capability by name."""


def check_regularizers(regularizers: Sequence[Regularizer], generator: nn.Module) -> None:
    """Raises ContractError for one that would never be applied, or cannot be."""
    for one in regularizers:
        for capability in getattr(one, "requires", ()):
            lacks = [name for name in CAPABILITIES.get(capability, (capability,)) if not hasattr(generator, name)]
            if lacks:
                what = f"it requires '{capability}', and the generator has no {', '.join(lacks)}"
                raise _no_contract("regularizer", one, what)
        if getattr(one, "network", None) not in ("discriminator", "generator", "both"):
            what = f"its network must be 'discriminator', 'generator' or 'both', got {getattr(one, 'network', None)!r}"
            raise _no_contract("regularizer", one, what)
        shares = getattr(one, "shares_forward", False)
        if one.network == "both" and not shares:
            raise _no_contract("regularizer", one, "one for both networks must share their forward (shares_forward = True)")
        if shares and getattr(one, "own_step", False):
            raise _no_contract("regularizer", one, "what shares the main phase's forward cannot take a step of its own")
        interval = getattr(one, "interval", None)
        if not isinstance(interval, int) or interval < 1:
            raise _no_contract("regularizer", one, f"its interval must be a whole number from 1 on, got {interval!r}")
        if not callable(getattr(one, "penalty", None)):
            raise _no_contract("regularizer", one, "it has no penalty(context)")


def check_optimizers(optimizers: Mapping[str, Any], networks: Mapping[str, nn.Module]) -> None:
    """Raises ContractError for one that lacks a method, wants a closure, or moves weights of the other network."""
    for name, optimizer in optimizers.items():
        missing = [one for one in ("step", "zero_grad", "state_dict", "param_groups") if not hasattr(optimizer, one)]
        if missing:
            raise _no_contract(f"{name}'s optimizer", optimizer, f"it lacks {', '.join(missing)}")
        closure = inspect.signature(type(optimizer).step).parameters.get("closure")
        if closure is not None and closure.default is closure.empty:
            raise _no_contract(f"{name}'s optimizer", optimizer, "it wants a closure, which two players cannot give")
        own = {id(parameter) for parameter in networks[name].parameters()}
        if any(id(parameter) not in own for group in optimizer.param_groups for parameter in group["params"]):
            raise _no_contract(f"{name}'s optimizer", optimizer, f"it holds weights that are not the {name}'s")


def _copy(network: nn.Module, role: str) -> nn.Module:
    if any(isinstance(parameter, UninitializedParameter) for parameter in network.parameters()):
        raise ContractError(f"the {role} has lazy layers without weights", at=role, fix="run one batch through it first")
    sparse = [name for name, one in network.named_modules() if _is_sparse(one)]
    if sparse:
        what = f"the {role}'s {sparse[0]} makes sparse gradients, which have no length and no mean over ranks here"
        raise ContractError(what, at=role, fix="build it with sparse=False")
    try:
        return deepcopy(network)
    except Exception as error:
        raise ContractError(
            f"the {role} cannot be copied, which its average and a look before step 0 need: {_first_line(error)}",
            at=role,
            fix="use torch.nn.utils.parametrizations, and keep no tensor with a graph on the module",
        ) from error


def _is_sparse(module: nn.Module) -> bool:
    return isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse and module.weight.requires_grad


def _misfit(what: str) -> MismatchError:
    return MismatchError(what, at="generator, discriminator, data", fix="give all three one shape, e.g. one --resolution")


def _no_contract(kind: str, part: Any, what: str) -> ContractError:
    return ContractError(
        f"the {kind} {type(part).__name__} cannot be used: {what}", at=kind, fix=f"see what every {kind} must do"
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
