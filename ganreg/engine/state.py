"""Everything that must survive: with it, a run goes on bit for bit as if it had never stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganreg.contracts import GAN
from ganreg.engine.data import Batches
from ganreg.engine.modes import has_modes, in_use
from ganreg.engine.packing import Tensors, pack, unpack
from ganreg.errors import ContractError
from ganreg.nn.ema import EMA


@dataclass
class State:
    """Both networks, their optimizers, the average, the random streams, the position in the data."""

    gan: GAN
    ema: EMA | None
    optimizers: Mapping[str, Optimizer]
    batches: Batches
    rng: torch.Generator
    device: torch.device
    components: Mapping[str, Any] = field(default_factory=dict)
    step: int = 0
    images: int = 0

    def advance(self) -> None:
        """One step is done; images are the real ones that D has seen."""
        self.step += 1
        self.images = self.batches.position

    def tensors(self) -> dict[str, Tensors]:
        """File name -> tensors: what goes into safetensors files.  Raises ContractError for a network with other state."""
        files: dict[str, Tensors] = {
            "generator": _state(self.gan.generator),
            "discriminator": _state(self.gan.discriminator),
            "random": self.streams(),
        }
        if self.ema is not None:
            files["ema"] = _state(self.ema.module)
        elif has_modes(self.optimizers["generator"]):  # what to sample from is not what to go on from
            with in_use(self.optimizers["generator"]):
                files["ema"] = {name: tensor.clone() for name, tensor in _state(self.gan.generator).items()}
        for name, optimizer in self.optimizers.items():
            files[f"optimizer-{name}"], _ = packed_optimizer(optimizer)
        for name, component in self.components.items():
            files[f"component-{name}"], _ = _packed(component.state_dict(), f"component {name}")
        return files

    def values(self) -> dict[str, Any]:
        """Everything that is not a tensor: what goes into state.json."""
        return {
            "step": self.step,
            "images": self.images,
            "position": self.batches.position,
            "optimizers": {name: packed_optimizer(one)[1] for name, one in self.optimizers.items()},
            "components": {name: _packed(one.state_dict(), f"component {name}")[1] for name, one in self.components.items()},
        }

    def restore(self, files: Mapping[str, Tensors], values: Mapping[str, Any], *, keep: Sequence[str] = ()) -> None:
        """Take everything back from `tensors()` and `values()`, but the optimizers' options named in `keep` ("generator.lr").

        Raises RuntimeError or KeyError when they do not fit.
        """
        self.gan.generator.load_state_dict(files["generator"])
        self.gan.discriminator.load_state_dict(files["discriminator"])
        if self.ema is not None:
            self.ema.module.load_state_dict(files["ema"])
        for name, optimizer in self.optimizers.items():
            kept = [option.partition(".")[2] for option in keep if option.partition(".")[0] == name]
            restore_optimizer(optimizer, files[f"optimizer-{name}"], values["optimizers"][name], kept)
        for name, component in self.components.items():
            if name.startswith("scale-") and f"component-{name}" not in files:
                continue  # the precision was changed, as was allowed: a fresh loss scale
            component.load_state_dict(_unpacked(files.get(f"component-{name}", {}), values["components"].get(name, {})))
        self.step, self.images = int(values["step"]), int(values["images"])
        self.batches.seek(int(values["position"]))
        self.set_streams(files["random"])

    def set_streams(self, streams: Tensors) -> None:
        """Let every stream of random numbers go on from there."""
        torch.set_rng_state(streams["torch"])
        self.rng.set_state(streams["latents"])
        if "cuda" in streams and self.device.type == "cuda":
            torch.cuda.set_rng_state(streams["cuda"], self.device)

    def streams(self) -> Tensors:
        """Every stream of random numbers."""
        streams = {"torch": torch.get_rng_state(), "latents": self.rng.get_state()}
        if self.device.type == "cuda":
            streams["cuda"] = torch.cuda.get_rng_state(self.device)
        return streams


def _state(network: nn.Module) -> Tensors:
    state = dict(network.state_dict())
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise ContractError(
                f"the state of {type(network).__name__} holds a {type(value).__name__}, which a checkpoint cannot",
                at=key,
                fix="keep it in a buffer (register_buffer), or train without a run directory",
            )
    return state


NESTED = "nested "
"""Begins the name of a tensor that lies deeper than its file's plain names say: in a list, a dict, a group of weights."""


def _packed(state: Mapping[str, Any], what: str) -> tuple[Tensors, dict[str, Any]]:
    """A flat state -> its tensors by key, and all else as JSON.  Raises ContractError."""
    tensors = {key: value for key, value in state.items() if isinstance(value, Tensor)}
    nested: Tensors = {}
    plain = {key: pack(value, f"{NESTED}{what}.{key}", nested) for key, value in state.items() if key not in tensors}
    return {**tensors, **nested}, plain


def _unpacked(tensors: Tensors, plain: Mapping[str, Any]) -> dict[str, Any]:
    flat = {key: value for key, value in tensors.items() if not key.startswith(NESTED)}
    return flat | {key: unpack(value, tensors) for key, value in plain.items()}


def _is_named(moments: Any) -> bool:
    return isinstance(moments, dict) and all(isinstance(key, str) for key in moments)


def packed_optimizer(optimizer: Optimizer) -> tuple[Tensors, dict[str, Any]]:
    """Moments by the number of their weight, as most keep them; whatever else its state_dict holds, as it is."""
    saved = dict(optimizer.state_dict())
    groups, state = saved.pop("param_groups"), saved.pop("state")
    tensors: Tensors = {}
    moments: dict[str, Any] = {}
    for index in [key for key, value in state.items() if type(key) is int and _is_named(value)]:
        its, moments[str(index)] = _packed(state[index], f"state.{index}")
        tensors |= {key if key.startswith(NESTED) else f"{index}.{key}": value for key, value in its.items()}
    odd = {key: value for key, value in state.items() if str(key) not in moments}
    values: dict[str, Any] = {
        "groups": [
            {key: pack(value, f"{NESTED}group.{number}.{key}", tensors) for key, value in group.items() if key != "schedules"}
            for number, group in enumerate(groups)
        ],
        "state": moments,
    }
    if odd or saved:
        values["others"] = pack({"state": odd, **saved}, f"{NESTED}others", tensors)
    return tensors, values


def restore_optimizer(optimizer: Optimizer, tensors: Tensors, values: Mapping[str, Any], keep: Sequence[str] = ()) -> None:
    """Give it back what `packed_optimizer` took, but the options named in `keep`; "" means all."""
    state: dict[Any, Any] = {
        int(index): {key: unpack(value, tensors) for key, value in its.items()} for index, its in values["state"].items()
    }
    for name, tensor in tensors.items():
        if not name.startswith(NESTED):
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = tensor
    others = unpack(values["others"], tensors) if "others" in values else {"state": {}}
    groups = [{key: unpack(value, tensors) for key, value in group.items()} for group in values["groups"]]
    fresh = [dict(group) for group in optimizer.param_groups]
    optimizer.load_state_dict({**others, "state": state | others["state"], "param_groups": groups})
    for group, given in zip(optimizer.param_groups, fresh, strict=True):
        for key, value in given.items():
            if key in keep or "" in keep or key == "schedules":
                group[key] = value
            elif key != "params":
                group[key] = _like(group[key], value)
    for weight, moments in optimizer.state.items():
        if isinstance(weight, Tensor) and isinstance(moments, dict):
            moments.update({key: _laid_as(weight, one) for key, one in moments.items() if isinstance(one, Tensor)})


def _laid_as(weight: Tensor, moment: Tensor) -> Tensor:
    """A moment in the memory format of its weight, as it was made: torch's fused Adam goes through both as they lie."""
    if moment.shape != weight.shape or moment.stride() == weight.stride():
        return moment
    return torch.empty_like(weight, dtype=moment.dtype).copy_(moment)


def _like(saved: Any, given: Any) -> Any:
    """A saved option in the type and place it was given in; older checkpoints knew neither tuples nor tensors."""
    if isinstance(given, Tensor):
        return saved.to(given) if isinstance(saved, Tensor) else torch.full_like(given, saved)
    return tuple(saved) if isinstance(given, tuple) and isinstance(saved, list) else saved
