"""Two ranks that stop after any step and go on are the two that would have been: every file of their last checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.ranks import finish, start

STEPS = 40
RUNS = """
import shutil
from pathlib import Path
import torch.distributed as dist
from ganreg import registry, yamltext
from ganreg.assembly import train_config
from ganreg.assembly.config import resolve
from ganreg.engine import durable

durable.os.fsync = lambda handle: None  # nobody pulls the plug here
dist.init_process_group("gloo")
network = {"name": "mlp", "hidden": [8]}
CONFIG = {
    "generator": network, "discriminator": network, "dataset": "gaussians", "steps": %(steps)d, "batch_size": 8, "log_every": 1,
    "sample_every": 0, "checkpoint_every": 1, "keep": %(steps)d, "precision": "fp32", "discriminator_steps": 2, "accumulate": 2,
    "regularizers": [{"name": "r1", "interval": 4}],
}
folder = Path(os.environ["FOLDER"])

def train(out, resume=None):
    config = resolve([yamltext.Document(CONFIG, "test")], registry.current())
    train_config(config, out=out, resume=resume, progress=False)
    dist.barrier()

def files(out):
    return {one.name: one.read_bytes() for one in (out / "checkpoints/step-%(steps)08d").iterdir()}

train(folder / "whole")
for step in range(1, %(steps)d, %(every)d):
    out = folder / f"stopped-{step}"
    if RANK == 0:
        shutil.copytree(folder / "whole", out, ignore=shutil.ignore_patterns("checkpoints"))
        name = f"checkpoints/step-{step:08d}"
        shutil.copytree(folder / "whole" / name, out / name)
    dist.barrier()
    train(out, resume=out)
    if RANK == 0:
        print(step, files(out) == files(folder / "whole"), flush=True)
"""


@pytest.mark.parametrize("every", [13, pytest.param(1, marks=[pytest.mark.nightly])])
@pytest.mark.timeout(600)
def test_two_ranks_that_go_on_after_any_step_are_the_two_that_would_have_been(every: int, tmp_path: Path):
    source = RUNS % {"steps": STEPS, "every": every}
    first, second = finish(start(source, each=[{"FOLDER": str(tmp_path)}] * 2), seconds=580)

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.out.splitlines() == [f"{step} True" for step in range(1, STEPS, every)]
