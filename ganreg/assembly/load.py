"""A trained generator from its run directory: built by name, filled with the averaged weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganreg import registry as registries
from ganreg import yamltext
from ganreg.assembly import exported
from ganreg.assembly.versions import check_offered
from ganreg.contracts import DataSpec
from ganreg.engine import checkpoint
from ganreg.engine.sampling import Labels, sample, stream, tells_classes_apart
from ganreg.errors import CheckpointError, PluginError, UsageError


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

    @property
    def pictures(self) -> Path:
        """Where samples of it are kept: the run's folder of them, or one in the exported folder."""
        return (self.path if self.is_export else self.path.parents[1]) / "samples"

    @property
    def is_export(self) -> bool:
        """Whether it is of an exported folder, not of a run's checkpoint."""
        return exported.is_export(self.path)

    def sample(self, count: int, *, seed: int, classes: Sequence[int] = ()) -> Tensor:
        """Samples [count, *spec.shape]; sample i depends on the seed and, where `classes` are given, on its own, in turn.

        Raises UsageError for a class that the data did not have, or where the generator does not tell classes apart.
        """
        self.check_classes(classes)
        return sample(self.generator, count, labels=self.labels, seed=seed, device=self.device, classes=classes)

    def stream(self, count: int, *, seed: int) -> Iterator[Tensor]:
        """The same samples as batches [N, *spec.shape], for more than fit into memory."""
        return stream(self.generator, count, labels=self.labels, seed=seed, device=self.device)

    def check_classes(self, classes: Sequence[int]) -> None:
        """Raises UsageError for a class that the data did not have, or where the generator does not tell classes apart."""
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

    `run` is a run directory, one of its checkpoints, or a folder that was exported or pulled.  Raises CheckpointError, and
    PluginError when the generator's plugin is not there.
    """
    return load_trained(run, device=device).generator


def load_trained(run: str | Path, *, device: str = "cpu") -> Trained:
    """As `load_generator`, with the spec and the labels' shares."""
    path = Path(run)
    try:
        path = path.expanduser()
        there = path.is_dir()
    except (OSError, RuntimeError):  # no file can have such a name; the home of nobody
        there = False
    if not there:
        raise CheckpointError("the run directory does not exist", at=str(path), fix="give the path of a run, e.g. runs/0001")
    if exported.is_export(path):
        return _of_export(path, device)
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
    weights = "ema" if "ema" in files else "raw"
    tensors = chosen / ("ema.safetensors" if weights == "ema" else "generator.safetensors")
    try:
        check_offered(checkpoint.manifest(chosen).get("components", {}), registries.current(), ("generator",))
    except PluginError as error:  # what is in the file can be had without the plugin
        raise PluginError(error.what, at=error.at, fix=f"{error.fix}; the weights alone are in {tensors}") from error
    generator = registries.current().create("generator", told["name"], spec, settings=settings)
    _fill(generator, files.get("ema", files["generator"]), chosen)
    labels = _labels(values.get("label_shares"), values.get("class_names"))
    return Trained(generator.eval().to(device), spec, labels, chosen, values["step"], values["images"], weights)


def _of_export(path: Path, device: str) -> Trained:
    """The generator that an export names, from what is installed here."""
    about = exported.about(path)
    part, spec = about.generator, about.spec.made()
    tensors = exported.weights(path)
    check_installed(about, path)
    generator = registries.current().create("generator", part.name, spec, settings=part.settings)
    _fill(generator, tensors, path)
    labels = _labels(about.label_shares, about.class_names)
    return Trained(generator.eval().to(device), spec, labels, path)


def _labels(shares: Sequence[float] | None, names: Sequence[str] | None) -> Labels:
    """As they were drawn in training; without names where a run before them was made."""
    return Labels(torch.tensor(shares, dtype=torch.float64), tuple(names or ())) if shares else Labels()


def check_installed(about: exported.About, path: Path) -> None:
    """Whether the generator of an export is offered here.  Raises PluginError, with the line that installs what is missing."""
    part = about.generator
    if part.distribution:
        origin = f"{part.distribution} {part.version}"
        check_offered({f"generator.{part.name}": origin}, registries.current(), ("generator",))
    elif part.plugin_file and not registries.current().has("generator", part.name.rpartition(":")[2]):
        raise PluginError(
            f"generator '{part.name}' came with the single file {part.plugin_file!r}, which is not loaded",
            at=str(path),
            fix=f"get that file (sha256 {part.sha256}), read it, and add --plugin FILE.py",
        )


def _fill(generator: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    try:
        generator.load_state_dict(tensors)
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(
            f"the weights do not fit the generator: {str(error).splitlines()[0]}",
            at=str(path),
            fix="use the ganreg that wrote it",
        ) from error
