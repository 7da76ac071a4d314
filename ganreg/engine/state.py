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
from ganreg.errors import ContractError
from ganreg.nn.ema import EMA

Tensors = dict[str, Tensor]


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
        for name, optimizer in self.optimizers.items():
            files[f"optimizer-{name}"] = {
                f"{index}.{key}": value
                for index, moments in optimizer.state_dict()["state"].items()
                for key, value in moments.items()
                if isinstance(value, Tensor)
            }
        for name, component in self.components.items():
            saved = component.state_dict()
            files[f"component-{name}"] = {key: value for key, value in saved.items() if isinstance(value, Tensor)}
        return files

    def values(self) -> dict[str, Any]:
        """Everything that is not a tensor: what goes into state.json."""
        optimizers = {}
        for name, optimizer in self.optimizers.items():
            saved = optimizer.state_dict()
            optimizers[name] = {
                "groups": [{k: _plain(v) for k, v in group.items() if k != "schedules"} for group in saved["param_groups"]],
                "state": {
                    str(index): {key: value for key, value in moments.items() if not isinstance(value, Tensor)}
                    for index, moments in saved["state"].items()
                },
            }
        return {
            "step": self.step,
            "images": self.images,
            "position": self.batches.position,
            "optimizers": optimizers,
            "components": {
                name: {key: value for key, value in component.state_dict().items() if not isinstance(value, Tensor)}
                for name, component in self.components.items()
            },
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
            _restore_optimizer(optimizer, files[f"optimizer-{name}"], values["optimizers"][name], kept)
        for name, component in self.components.items():
            if name.startswith("scale-") and f"component-{name}" not in files:
                continue  # the precision was changed, as was allowed: a fresh loss scale
            component.load_state_dict({**files.get(f"component-{name}", {}), **values["components"].get(name, {})})
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


def _restore_optimizer(optimizer: Optimizer, tensors: Tensors, values: Mapping[str, Any], keep: Sequence[str]) -> None:
    state: dict[int, dict[str, Any]] = {int(index): dict(moments) for index, moments in values["state"].items()}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    fresh = [dict(group) for group in optimizer.param_groups]
    optimizer.load_state_dict({"state": state, "param_groups": values["groups"]})
    for group, given in zip(optimizer.param_groups, fresh, strict=True):
        for key, value in given.items():
            if key in keep or "" in keep or key == "schedules":
                group[key] = value
            elif key != "params":
                group[key] = _like(group[key], value)


def _like(saved: Any, given: Any) -> Any:
    """A saved option in the type it was given in: JSON knows neither tuples nor tensors."""
    if isinstance(given, Tensor):
        return torch.full_like(given, saved)
    return tuple(saved) if isinstance(given, tuple) else saved


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value
