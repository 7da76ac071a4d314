"""TensorBoard: curves and sample grids as event files in RUN/tensorboard, which torch's own writer writes.

A run that goes on, from a checkpoint or after a rollback, tells TensorBoard the step it goes on from: what came after that step
before is no longer shown. TensorBoard reads event files in the order of their names, which begin with whole seconds: a second
file waits for the next one.

Abadi et al., "TensorFlow", 2016.  https://arxiv.org/abs/1605.08695     https://www.tensorflow.org/tensorboard
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ganreg import yamltext
from ganreg.extras import need

if TYPE_CHECKING:
    import numpy as np
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"


class TensorBoard:
    """Event files in RUN/tensorboard."""

    def __init__(
        self,
        run_dir: Path,
        *,
        flush_seconds: Annotated[int, Field(ge=1, description="how long a value may wait to be written")] = 30,
    ) -> None:
        need("tensorboard", "tensorboard", of="tracker tensorboard")
        self.folder = Path(run_dir) / FOLDER
        self.flush_seconds = flush_seconds
        self._writer: SummaryWriter | None = None
        self._last = -1

    @property
    def where(self) -> str:
        """The command that shows it."""
        return f"tensorboard --logdir {self.folder}"

    def start(self, config: Mapping[str, Any]) -> None:
        """Keep the configuration for the first write, which knows at which step it is."""
        import torch.utils.tensorboard  # noqa: F401  (what cannot be imported is told now)

        self._config = yamltext.dump(dict(config))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """A point of each curve."""
        writer = self._at(step)
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    def images(self, step: int, name: str, images: np.ndarray[Any, Any]) -> None:
        """uint8 [N, H, W, C] -> N pictures side by side."""
        writer = self._at(step)
        writer.add_images(name, images, step, dataformats="NHWC")
        writer.flush()

    def finish(self, status: str) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()

    def _at(self, step: int) -> SummaryWriter:
        """A file of its own for each stretch of rising steps, which begins by what is no longer valid."""
        from torch.utils.tensorboard import SummaryWriter

        if self._writer is None or step < self._last:
            if self._writer is not None:
                self._writer.close()
            _wait_for_a_later_second(self.folder)
            self._writer = SummaryWriter(str(self.folder), purge_step=step, flush_secs=self.flush_seconds)
            self._writer.add_text("config", f"```yaml\n{self._config}\n```", step)
        self._last = step
        return self._writer


def _wait_for_a_later_second(folder: Path) -> None:
    """Until a new event file's name, events.out.tfevents.SECONDS.HOST.PID.NUMBER, comes after those that are there."""
    seconds = {path.name.split(".")[3] for path in folder.glob("events.out.tfevents.*")}
    while f"{int(time.time()):010d}" in seconds:
        time.sleep(0.02)
