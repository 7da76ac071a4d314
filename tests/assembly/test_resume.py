"""A run that is stopped after any step, and goes on, is the run that would have been: every file of its last checkpoint."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ganreg import registry, yamltext
from ganreg.assembly import _parts, train_config
from ganreg.assembly.config import resolve
from ganreg.assembly.ready import ready
from ganreg.assembly.versions import origins
from ganreg.engine import checkpoint
from ganreg.engine.observers.checkpoints import Checkpoints
from ganreg.errors import CheckpointError, SettingsError

STEPS = 40  # of 8 samples: several passes over 50 points, none of which ends on a batch
PART = """
import random
import numpy
import torch
import ganreg


class Shaken(torch.utils.data.Dataset):
    spec = ganreg.DataSpec((2,))

    def __len__(self):
        return 50

    def fingerprint(self):
        return "shaken"

    def __getitem__(self, index):
        return torch.randn(2) + random.random() + float(numpy.random.rand()) + index / 25


class Wandering:
    '''An augmentation with a state that moves.'''

    def __init__(self):
        self.strength = torch.zeros(())

    def __call__(self, images):
        return images + self.strength * torch.randn_like(images)

    def update(self, statistics, images):
        self.strength = 0.9 * self.strength + 0.01 * statistics[0]

    def state_dict(self):
        return {"strength": self.strength}

    def load_state_dict(self, state):
        self.strength = state["strength"]


def shaken():
    return Shaken()


def wandering(spec):
    return Wandering()


@ganreg.hookimpl
def ganreg_components():
    yield ganreg.Component("dataset", "shaken", f"{__name__}:shaken", "Random transforms.")
    yield ganreg.Component("augmentation", "wandering", f"{__name__}:wandering", "A state that moves.")
"""
BASE = {
    "generator": {"name": "mlp", "hidden": [8]},
    "discriminator": {"name": "mlp", "hidden": [8]},
    "dataset": "shaken",
    "steps": STEPS,
    "batch_size": 8,
    "log_every": 1,
    "sample_every": 0,
    "checkpoint_every": 1,
    "keep": STEPS,
    "precision": "fp32",
}
SCHEDULE = {"start": 1e-3, "stop": 0.0, "shape": "cosine", "over_images": 300, "warmup_images": 50}
CASES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "three steps of D": {"discriminator_steps": 3},
    "a lazy R1": {"regularizers": [{"name": "r1", "interval": 4}]},
    "an R1 with steps of its own": {"regularizers": [{"name": "r1", "interval": 4, "own_step": True}]},
    "in parts": {"accumulate": 2, "clip": 1.0},
    "float16": {"precision": "fp16"},
    "bfloat16": {"precision": "bf16"},
    "an augmentation that adapts": {"augmentation": "wandering"},
    "schedules": {
        "generator_optimizer": {
            "name": "adam",
            "lr": SCHEDULE,
            "betas": [0.0, {"start": 0.9, "stop": 0.99, "over_images": 300}],
        },
        "ema": {"half_life": {"start": 0, "stop": 100, "over_images": 200}, "ramp": 0.05},
    },
    "fresh latents, sgd, no average": {
        "latents": "fresh",
        "ema": None,
        "generator_optimizer": "sgd",
        "discriminator_optimizer": "sgd",
    },
    "data in memory": {"dataset": "gaussians"},
    "classes, a classifier, running means, muon": {
        "dataset": "gaussians",
        "generator": {"name": "mlp", "hidden": [8], "conditioning": "concat"},
        "discriminator": {"name": "mlp", "hidden": [8], "conditioning": "acgan"},
        "regularizers": [{"name": "acgan"}, {"name": "lecam", "start_step": 5}],
        "discriminator_optimizer": "muon",
    },
}


@pytest.fixture(autouse=True)
def _plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "parts.py"
    file.write_text(PART)
    registry.configure(files=[file])
    monkeypatch.setattr("ganreg.engine.durable.os.fsync", lambda handle: None)  # nobody pulls the plug here


def run(out: Path, values: Mapping[str, Any], *, resume: bool = False, **options: Any) -> None:
    config = resolve([yamltext.Document({**BASE, **values}, "test")], registry.current())
    train_config(config, out=out, resume=out if resume else None, progress=False, **options)


def left(out: Path, step: int) -> dict[str, bytes]:
    path = out / "checkpoints" / f"step-{step:08d}"
    return {one.name: one.read_bytes() for one in path.iterdir()}


def logged(out: Path, step: int) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    clocks = ("seconds", "images_per_second")
    return [{key: value for key, value in row.items() if key not in clocks} for row in rows if row["step"] <= step]


def stopped_after(step: int, whole: Path, out: Path) -> Path:
    """A copy of a run that was killed when it had saved this step, and had logged some more."""
    shutil.copytree(whole, out, ignore=shutil.ignore_patterns("checkpoints"))
    shutil.copytree(whole / "checkpoints" / f"step-{step:08d}", out / "checkpoints" / f"step-{step:08d}")
    return out


def goes_on(case: Mapping[str, Any], steps: range, tmp_path: Path, change: Mapping[str, Any] | None = None) -> None:
    whole = tmp_path / "whole"
    run(whole, case)
    for step in steps:
        out = stopped_after(step, whole, tmp_path / f"stopped-{step}")
        run(out, {**case, **(change or {})}, resume=True)
        assert left(out, STEPS) == left(whole, STEPS), step
        assert logged(out, STEPS) == logged(whole, STEPS), step
        shutil.rmtree(out)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.timeout(300)
def test_a_run_that_goes_on_after_any_step_is_the_run_that_would_have_been(case: str, tmp_path: Path):
    goes_on(CASES[case], range(1, STEPS, 6), tmp_path)


@pytest.mark.parametrize("name", ["dcgan", "resnet", "stylegan2", "r3gan", "fastgan"])
def test_pictures_whose_channels_come_last_go_on_exactly(name: str, tmp_path: Path):
    width = 16 if name == "r3gan" else 4
    pair = {kind: {"name": name, "width": width} for kind in ("generator", "discriminator")}
    few = {"dataset": {"name": "digits", "resolution": 8}, "steps": 3, "batch_size": 4, "channels_last": "auto"}
    run(tmp_path / "whole", {**pair, **few})
    out = stopped_after(1, tmp_path / "whole", tmp_path / "stopped")

    run(out, {**pair, **few}, resume=True)

    assert left(out, 3) == left(tmp_path / "whole", 3)


@pytest.mark.nightly
@pytest.mark.parametrize("case", CASES)
@pytest.mark.timeout(900)
def test_a_run_goes_on_after_every_step(case: str, tmp_path: Path):
    goes_on(CASES[case], range(1, STEPS), tmp_path)


@pytest.mark.timeout(300)
def test_processes_that_read_change_nothing(tmp_path: Path):
    goes_on({"workers": 2}, range(7, STEPS, 12), tmp_path)
    run(tmp_path / "alone", {"workers": 0})

    names = [name for name in left(tmp_path / "whole", STEPS) if name not in ("state.json", "manifest.json")]
    assert all(left(tmp_path / "alone", STEPS)[name] == left(tmp_path / "whole", STEPS)[name] for name in names)


def test_two_cases_differ(tmp_path: Path):
    """Otherwise the tests above compare nothing."""
    for name in ("as it comes", "a lazy R1"):
        run(tmp_path / name, CASES[name])

    assert left(tmp_path / "as it comes", STEPS) != left(tmp_path / "a lazy R1", STEPS)
    assert (
        left(tmp_path / "as it comes", STEPS - 1)["ema.safetensors"] != left(tmp_path / "as it comes", STEPS)["ema.safetensors"]
    )


def test_saving_what_was_loaded_gives_the_same_bytes(tmp_path: Path):
    whole = tmp_path / "whole"
    run(whole, {})
    config = resolve([yamltext.Document(BASE, "test")], registry.current())
    again, _ = ready(_parts(config), config.run, config.plain(), resume=whole)
    told = checkpoint.manifest(whole / "checkpoints" / f"step-{STEPS:08d}")
    facts = {key: value for key, value in told.items() if key not in ("format", "step", "files", "digest")}

    other = tmp_path / "other"
    other.mkdir()
    saver = Checkpoints(other, 1, 1, facts)
    saver.started(again)
    saver.stepped(STEPS, {})
    saver.settle()

    assert left(other, STEPS) == left(whole, STEPS)


def test_what_changed_is_refused_by_name_unless_it_is_allowed(tmp_path: Path):
    out = tmp_path / "run"
    run(out, {"steps": 4, "dataset": "gaussians"})
    changed = {"steps": 6, "dataset": "gaussians", "latents": "fresh", "batch_size": 10}

    with pytest.raises(SettingsError, match="batch_size is 10, the checkpoint was made with 8") as told:
        run(out, changed, resume=True)
    assert "latents is fresh, the checkpoint was made with shared" in str(told.value)
    run(out, changed, resume=True, allow_change=["batch-size", "latents"])

    assert logged(out, 6)[-1]["step"] == 6


def test_data_that_changed_is_refused_unless_it_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "run"
    run(out, {"steps": 4})
    monkeypatch.setattr("ganreg.engine.data.Source.fingerprint", lambda self: "another")

    with pytest.raises(SettingsError, match="data is another, the checkpoint was made with shaken"):
        run(out, {"steps": 6}, resume=True)
    run(out, {"steps": 6}, resume=True, allow_change=["data"])


def test_a_plugin_of_another_version_is_refused_unless_it_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "run"
    run(out, {"steps": 4})
    newer = {"dataset.shaken": "ganreg-shaken 2.0"}
    monkeypatch.setattr(sys.modules[ready.__module__], "origins", lambda *given: {**origins(*given), **newer})

    with pytest.raises(SettingsError, match=r"versions.dataset.shaken is ganreg-shaken 2.0, the checkpoint was made with"):
        run(out, {"steps": 6}, resume=True)
    run(out, {"steps": 6}, resume=True, allow_change=["versions"])


def test_a_damaged_checkpoint_is_passed_over_and_the_run_goes_on_from_the_one_before(tmp_path: Path):
    whole = tmp_path / "whole"
    run(whole, {})
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    for step in range(31, STEPS + 1):
        (out / "checkpoints" / f"step-{step:08d}" / "ema.safetensors").write_bytes(b"")

    with pytest.warns(UserWarning, match="truncated: 0 of .* bytes; going on from step-00000030"):
        run(out, {}, resume=True)

    assert left(out, STEPS) == left(whole, STEPS)


def test_a_checkpoint_of_other_networks_tells_every_weight_that_does_not_fit(tmp_path: Path):
    out = tmp_path / "run"
    run(out, {"steps": 2})
    other = {"steps": 4, "generator": {"name": "mlp", "hidden": [9]}}

    with pytest.raises(CheckpointError, match=r"size mismatch for .*weight.* size mismatch for .*bias"):
        run(out, other, resume=True, allow_change=["generator"])


@pytest.mark.parametrize("policy", ["skip", "rollback"])
def test_what_becomes_of_values_that_are_not_finite_may_be_changed(policy: str, tmp_path: Path):
    run(tmp_path / "run", {"steps": 4})
    run(tmp_path / "run", {"steps": 8, "on_nonfinite": policy}, resume=True, allow_change=["on_nonfinite"])
    run(tmp_path / "run", {"steps": 12, "on_nonfinite": policy}, resume=True)

    assert len(logged(tmp_path / "run", 12)) == 12
