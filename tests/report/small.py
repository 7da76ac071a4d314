"""Run directories written by hand: no torch, and every number known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

LN2 = 0.6931471805599453
CONFIG = """\
# Every setting of this run.  Repeat it: ganreg train -c config.yaml
dataset:
  name: digits
generator:
  name: dcgan
  latent_dim: 8
discriminator:
  name: dcgan
loss:
  name: {loss}
regularizers: []
steps: {steps}
seed: 0
"""
PROTOCOL = {"n_real": 1797, "n_fake": 2000, "extractor_hash": "9f8a7b6c5d4e3f2a", "resolution": [1, 16, 16], "seed": 0}


def row(step: int, **values: float | None) -> dict[str, Any]:
    """A logged step: both losses fall by a thousandth a step from 2 and 1."""
    told = {"step": step, "images": step * 10, "seconds": step / 10, "loss_d": 2 - step / 1000, "loss_g": 1 - step / 1000}
    told |= {"d_real": 0.6, "d_fake": 0.4, "accuracy_d": 0.7, "grad_d": 1.0, "grad_g": 0.1, "lr_d": 0.001, "lr_g": 0.002}
    return {**told, "images_per_second": 100.0, **values}


def lines(*rows: Any) -> str:
    return "".join(json.dumps(one) + "\n" for one in rows)


def picture(path: Path, shade: int, side: int = 32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (side, side), shade).save(path)
    return path


def evaluation(step: int, value: float | None, metric: str = "frechet-distance", **told: Any) -> dict[str, Any]:
    told = {"reason": "", "higher_is_better": False, "protocol": PROTOCOL, **told}
    return {
        "step": step,
        "images": step * 10,
        "weights": "ema",
        "metric": metric,
        "value": value,
        "extractor": "pixels",
        **told,
    }


def run(path: Path, *, steps: int = 400, every: int = 100, loss: str = "bce", evaluations: Any = ()) -> Path:
    """A whole run: config, environment, log, pictures at every logged step, and its end."""
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(CONFIG.format(loss=loss, steps=steps))
    environment = {"ganreg": "0.1.0", "device": "cpu", "packages": {"torch": "2.13.0"}, "equilibrium": [2 * LN2, LN2]}
    (path / "environment.json").write_text(json.dumps(environment))
    (path / "metrics.jsonl").write_text(lines(*(row(step) for step in range(every, steps + 1, every))))
    for step in range(every, steps + 1, every):
        picture(path / "samples" / f"step-{step:08d}.png", step * 255 // steps)
    picture(path / "samples" / "reals.png", 128)
    end = {"code": 0, "error": "", "step": steps, "checkpoint": f"step-{steps:08d}", "at": "2026-11-26T10:00:00+00:00"}
    (path / "exit.json").write_text(json.dumps(end))
    if evaluations:
        (path / "evaluations.jsonl").write_text(lines(*evaluations))
    return path
