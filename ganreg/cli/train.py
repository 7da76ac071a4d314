"""`ganreg train`: resolve, say what was decided, train, say where it went."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganreg import yamltext
from ganreg.cli import output, runs
from ganreg.cli.configured import Asked, Configured
from ganreg.contracts import Observer
from ganreg.engine import rundir

if TYPE_CHECKING:
    from ganreg.assembly.config import Config
    from ganreg.engine.run import Run


def _train(asked: Asked) -> None:
    named = asked.values["out"]
    out = asked.resume or _new_run(named)
    config = asked.resolve()
    if asked.values["dry_run"]:
        _rehearse(config, out, asked.resume, asked.values["allow_change"])
        return
    from ganreg.assembly import train_config
    from ganreg.engine.observers.progress import ProgressLine

    quiet = asked.values["quiet"]
    header = Header(config, out)
    told: list[Observer] = [] if quiet else [header, ProgressLine()]
    try:
        allowed = asked.values["allow_change"]
        result = train_config(
            config,
            out=out,
            resume=asked.resume,
            allow_change=allowed,
            observers=told,
            progress=False,
            numbered=named is None and asked.resume is None,
        )
    except KeyboardInterrupt:
        saved = next((header.out / "checkpoints").glob("step-*"), None)
        raise KeyboardInterrupt(
            "interrupted" + (f"; go on with: ganreg train --resume {header.out}" if saved else "")
        ) from None
    if quiet:
        output.say(str(result.run_dir))
    elif result.status.startswith("already"):
        output.say(f"{out} is {result.status}; --steps takes it further")
    else:
        output.say(header.summary(result.status))


def _new_run(named: str | None) -> Path:
    """Where to write; looked at before anything is built."""
    out = Path(named).expanduser() if named is not None else rundir.next_free(runs.RUNS)
    rundir.check(out)
    return out


def _rehearse(config: Config, out: Path, resume: Path | None, allow_change: Sequence[str]) -> None:
    """All that comes before the first step, and not a byte written."""
    from ganreg.assembly import check_config

    run = check_config(config, resume=resume, allow_change=allow_change)
    output.say(yamltext.dump(config.plain()).rstrip("\n"))
    output.say()
    for line in _decided(config, run, out):
        output.say(f"# {line}")
    output.say("# a dry run: all of it fits, nothing was written")


def _decided(config: Config, run: Run, out: Path) -> list[str]:
    """What nobody said, and what it came to."""
    sizes = (sum(parameter.numel() for parameter in network.parameters()) for network in run.gan)
    weights = " and ".join(f"{size:,}" for size in sizes)
    source = run.state.batches.source
    samples = f"{len(source):,} samples" if hasattr(source.dataset, "__len__") else "samples without an end"
    shape = " x ".join(map(str, run.spec.shape))
    every = {"samples": run.settings.sample_every, "checkpoints": run.settings.checkpoint_every}
    never = {"samples": "no samples", "checkpoints": "a checkpoint at the end alone"}
    often = ", ".join(f"{what} every {steps} steps" if steps else never[what] for what, steps in every.items())
    return [
        *(f"{note}  (inferred)" for note in config.inferred),
        f"data: {samples} of {shape}; G and D: {weights} weights; {run.total_steps} steps; {often}",
        f"device: {run.state.device}",
        f"run: {out}",
    ]


class Header(Observer):
    """Says what was decided before the first line of progress, and how it ended."""

    def __init__(self, config: Config, out: Path) -> None:
        self.config = config
        self.out = out
        self.values: Mapping[str, float] = {}

    def started(self, run: Run) -> None:
        """What was inferred, and what it runs on."""
        from ganreg.ops.library import kernel_status

        self.run = run
        self.out = run.directory or self.out
        self._began = time.monotonic()
        for line in _decided(self.config, run, self.out):
            output.say(line)
        kernel = kernel_status(run.state.device.type)
        variant = f" ({kernel.variant})" if kernel.variant else ""
        output.say(f"kernel: {kernel.kind}{variant}" + (f", because {kernel.reason}" if kernel.reason else ""))

    def stepped(self, step: int, values: Mapping[str, float]) -> None:
        """Remember how it stands."""
        self.values = values

    def summary(self, status: str) -> str:
        """One line: where, how long, how the game stands."""
        from ganreg.engine.observers import balance

        grids = sorted((self.out / "samples").glob("step-*.png"))
        parts = [
            f"{status} in {_duration(time.monotonic() - self._began)}",
            f"samples {grids[-1]}" if grids else f"run {self.out}",
            *([balance(self.values, self.run.equilibrium)] if self.values else []),
        ]
        return f"{self.out}: {'; '.join(parts)}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


train = Configured("train", _train, help="Train a GAN from parts.  Without options: digits, dcgan, bce, adam.")
