"""`ganreg train`: resolve, say what was decided, train, say where it went."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ganreg import yamltext
from ganreg.cli import output, runs, several
from ganreg.cli.configured import Asked, Configured
from ganreg.cli.paths import expanded
from ganreg.contracts import Observer
from ganreg.engine import rundir
from ganreg.engine.signals import Terminated

if TYPE_CHECKING:
    from ganreg.assembly.config import Config
    from ganreg.engine.run import Run


def _train(asked: Asked) -> None:
    nproc = asked.values["nproc"]
    if nproc is not None:
        asked.resolve().run.check_ranks(nproc)  # what is wrong is told once, before anything is started
    if nproc is not None and not asked.values["dry_run"]:
        several.start(nproc, _words_of_one())
        return
    named = asked.values["out"]
    before = several.restarted(named) if several.is_one_of_several() else None
    if before is not None and any(before.glob("checkpoints/step-*/manifest.json")):
        asked = replace(asked, resume=before, layers=[yamltext.read(before / "config.yaml")])
    out = asked.resume or before or _new_run(named)
    config = asked.resolve()
    if asked.values["dry_run"]:
        _rehearse(config, out, asked.resume, asked.values["allow_change"])
        return
    from ganreg.assembly import train_config
    from ganreg.engine.observers.progress import ProgressLine

    quiet = asked.values["quiet"] or several.is_quiet_rank()
    header = Header(config, out)
    told: list[Observer] = [] if quiet else [header, ProgressLine()]
    try:
        allowed = asked.values["allow_change"]
        result = train_config(
            config,
            out=out,
            resume=asked.resume,
            allow_change=allowed,
            steal_lock=asked.values["steal_lock"] or before is not None,
            observers=told,
            progress=False,
            numbered=named is None and asked.resume is None and before is None,
            again=before is not None,
        )
    except (KeyboardInterrupt, Terminated) as ended:
        saved = next((header.out / "checkpoints").glob("step-*"), None)
        what = "interrupted" if isinstance(ended, KeyboardInterrupt) else "terminated"
        ended.args = (what + (f"; go on with: ganreg train --resume {header.out}" if saved else ""),)
        raise
    if several.is_quiet_rank():
        return
    if quiet:
        output.say(str(result.run_dir))
    elif result.status.startswith("already"):
        output.say(f"{out} is {result.status}; --steps takes it further")
    else:
        output.say(header.summary(result.status))


def _words_of_one() -> list[str]:
    """This command line without --nproc."""
    words = iter(sys.argv[1:])
    kept = []
    for word in words:
        if word == "--nproc":
            next(words)
        elif not word.startswith("--nproc="):
            kept.append(word)
    return kept


def _new_run(named: str | None) -> Path:
    """Where to write; looked at before anything is built."""
    out = expanded(named) if named is not None else rundir.next_free(runs.RUNS)
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
        *(f"init: {note}" for note in run.notes),
        f"device: {run.state.device}{_several(run)}; precision: {run.precision}",
        *(f"tracker {where}" for where in run.shown),
        *_measured(run),
        f"run: {out}",
    ]


def _measured(run: Run) -> list[str]:
    one = run.measuring
    if one is None:
        return []
    names = ", ".join(named.name for named in one.metrics)
    how = f"{one.n_fake:,} fakes beside {one.n_real:,} reals in features of {one.extractor_name}"
    lines = [f"metrics: {names}, every {run.settings.metric_every} steps: {how}"]
    return [*lines, f"note: {one.note}"] if one.note else lines


def _several(run: Run) -> str:
    if run.ranks.size == 1:
        return ""
    return f", {run.ranks.size} ranks with {run.settings.batch_size // run.ranks.size} samples each"


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
