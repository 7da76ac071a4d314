"""What is asked of a run: how long, how often, on what.  Without torch, so that a command line lists it at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from ganreg.errors import SettingsError
from ganreg.nn.ema_settings import EMASettings

Switch = Literal["auto", "on", "off"]
Count = Annotated[int, Field(ge=1, le=10**9)]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """How long, how often, on what; the same names in Python, YAML and on the command line."""

    epochs: Annotated[float, Field(gt=0, le=1e6, description="passes of D over the data; instead of steps")] | None = None
    steps: Annotated[Count, Field(description="updates of both networks")] | None = None
    batch_size: Annotated[int, Field(ge=1, le=2**20, description="samples per update")] = 64
    discriminator_steps: Annotated[int, Field(ge=1, le=1000, description="updates of D for one of G")] = 1
    latents: Annotated[
        Literal["shared", "fresh"], Field(description="G's phase reuses D's fakes (shared) or draws new ones (fresh)")
    ] = "shared"
    accumulate: Annotated[int, Field(ge=1, le=2**20, description="parts that a batch is computed in, to save memory")] = 1
    clip: Annotated[float, Field(gt=0, description="longest gradient of a network (2-norm); none: any length")] | None = None
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        Field(description="of the networks' arithmetic; auto: bf16 where the hardware multiplies it, else fp32"),
    ] = "auto"
    tf32: Annotated[bool, Field(description="on a card, let float32 products use TF32")] = True
    channels_last: Annotated[Switch, Field(description="pixels of all channels side by side; auto: on")] = "auto"
    compile: Annotated[Switch, Field(description="torch.compile both networks, penalties apart; auto: off")] = "auto"
    cuda_graphs: Annotated[
        Switch, Field(description="on a card, launch a whole phase as one recording; latents fresh; auto: off")
    ] = "auto"
    on_nonfinite: Annotated[
        Literal["stop", "skip", "rollback"],
        Field(description="a loss or gradient is not finite: stop, skip that step, or go on from the last checkpoint"),
    ] = "stop"
    max_nonfinite: Annotated[int, Field(ge=1, le=10**9, description="skipped steps or rollbacks that a run may have")] = 10
    on_imbalance: Annotated[Literal["warn", "stop"], Field(description="D has won, and G's gradient vanished")] = "warn"
    sync_batchnorm: Annotated[bool, Field(description="batch norm's statistics over all ranks")] = False
    rank_timeout: Annotated[float, Field(gt=0, description="seconds that ranks wait for each other")] = 300.0
    ema: Annotated[EMASettings, Field(description="moving average of G's weights")] | None = field(default_factory=EMASettings)
    init_from: Annotated[str, Field(description="run whose weights are the first ones, where they fit")] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63, description="of weights, latents and the order of the data")] = 0
    device: Annotated[str, Field(description="auto, cpu, cuda, cuda:1, mps")] = "auto"
    workers: Annotated[int, Field(ge=0, le=1024, description="processes that read data")] = 0
    log_every: Annotated[Count, Field(description="steps between lines of metrics.jsonl")] = 50
    sample_every: Annotated[int, Field(ge=0, description="steps between sample grids; 0: never; none: ten a run")] | None = None
    checkpoint_every: (
        Annotated[int, Field(ge=0, description="steps between checkpoints; 0: only the last; none: five a run")] | None
    ) = None
    keep: Annotated[int, Field(ge=1, description="checkpoints that stay, beside the best by --metric")] = 3
    metric_every: Annotated[int, Field(ge=1, le=10**9, description="steps between measurements by --metric")] = 1000
    metric_samples: Annotated[Count, Field(description="fakes that a metric looks at")] = 2000
    metric_reals: Annotated[Count, Field(description="reals that a metric looks at, where there are so many")] = 10_000
    metric_timeout: Annotated[float, Field(gt=0, description="seconds that other ranks wait for a measurement")] = 1800.0

    def check_ranks(self, count: int) -> None:
        """Whether so many ranks can share a batch, each computing its part in pieces, and all else.  Raises SettingsError."""
        if count > 1 and self.on_nonfinite == "rollback":
            why = "rollback works in one process, not yet in several"
            raise SettingsError(why, at="--on-nonfinite", fix="--on-nonfinite stop, or skip")
        pieces = count * self.accumulate
        if self.batch_size % pieces:
            each = f" with {self.accumulate} parts each" if self.accumulate > 1 else ""
            parts = f"{count} ranks{each}" if count > 1 else f"{pieces} parts"
            raise SettingsError(
                f"batch_size must be a multiple of {pieces}, for {parts}, got {self.batch_size}",
                at="--batch-size",
                fix=f"--batch-size {max(1, round(self.batch_size / pieces)) * pieces}",
            )
