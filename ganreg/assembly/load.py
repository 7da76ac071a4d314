"""A trained generator from its run directory: built by name, filled with the averaged weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganreg import registry as registries
from ganreg import yamltext
from ganreg.assembly.versions import check_offered
from ganreg.contracts import DataSpec
from ganreg.engine import checkpoint
from ganreg.engine.sampling import Labels, sample, stream, tells_classes_apart
from ganreg.errors import CheckpointError, UsageError


@dataclass(frozen=True)
class Trained:
    """A generator in eval mode with what it was trained for."""

    generator: nn.Module
    spec: DataSpec
    labels: Labels
    path: Path
    step: int = 0
    images: int = 0
    weights: str = "ema"
    """ "ema", or "raw" where no average was kept."""

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return next((p.device for p in self.generator.parameters()), torch.device("cpu"))

    def sample(self, count: int, *, seed: int, classes: Sequence[int] = ()) -> Tensor:
        """Samples [count, *spec.shape]; sample i depends on the seed and, where `classes` are given, on its own, in turn.

        Raises UsageError for a class that the data did not have, or where the generator does not tell classes apart.
        """
        self._check(classes)
        return sample(self.generator, count, labels=self.labels, seed=seed, device=self.device, classes=classes)

    def stream(self, count: int, *, seed: int) -> Iterator[Tensor]:
        """The same samples as batches [N, *spec.shape], for more than fit into memory."""
        return stream(self.generator, count, labels=self.labels, seed=seed, device=self.device)

    def _check(self, classes: Sequence[int]) -> None:
        known = self.spec.num_classes
        wrong = [number for number in classes if not 0 <= number < known]
        if wrong:
            has = f"classes 0 to {known - 1}" if known else "no classes"
            raise UsageError(f"there is no class {wrong[0]}: the data had {has}", at="--class", fix="leave --class out")
        if classes and not tells_classes_apart(self.generator, known, self.device):
            raise UsageError(
                "this generator makes the same for every class",
                at="--class",
                fix="train one that is told the class: --generator.conditioning concat, and D's too",
            )


def load_generator(run: str | Path, *, device: str = "cpu") -> nn.Module:
    """The averaged generator of a run (its own weights where no average was kept), in eval mode.

    `run` is a run directory or one of its checkpoints.  Raises CheckpointError, and PluginError when the generator's plugin
    is not there.
    """
    return load_trained(run, device=device).generator


def load_trained(run: str | Path, *, device: str = "cpu") -> Trained:
    """As `load_generator`, with the spec and the labels' shares."""
    path = Path(run).expanduser()
    try:
        there = path.is_dir()
    except OSError:  # no file can have such a name
        there = False
    if not there:
        raise CheckpointError("the run directory does not exist", at=str(path), fix="give the path of a run, e.g. runs/0001")
    wanted = ("ema", "generator")
    chosen, (files, values) = (
        (path, checkpoint.load(path, wanted)) if checkpoint.STEP.fullmatch(path.name) else checkpoint.newest(path, wanted)
    )
    told: Any = yamltext.read(chosen.parents[1] / "config.yaml").values.get("generator")
    if not isinstance(told, dict) or "name" not in told:
        raise CheckpointError(
            f"the generator of this run was an object ({told}), not a named component",
            at=str(chosen),
            fix="build it yourself and load the weights from its ema.safetensors",
        )
    shape, num_classes, value_range = (values["spec"][key] for key in ("shape", "num_classes", "value_range"))
    spec = DataSpec(tuple(shape), num_classes, tuple(value_range) if value_range else None)
    settings = {key: value for key, value in told.items() if key != "name"}
    check_offered(checkpoint.manifest(chosen).get("components", {}), registries.current(), ("generator",))
    generator = registries.current().create("generator", told["name"], spec, settings=settings)
    try:
        generator.load_state_dict(files.get("ema", files["generator"]))
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(
            f"the weights do not fit the generator: {str(error).splitlines()[0]}",
            at=str(chosen),
            fix="use the ganreg that wrote it",
        ) from error
    shares = values.get("label_shares")
    labels = Labels(torch.tensor(shares, dtype=torch.float64)) if shares else Labels()
    weights = "ema" if "ema" in files else "raw"
    return Trained(generator.eval().to(device), spec, labels, chosen, values["step"], values["images"], weights)
