"""Weights & Biases: curves, sample grids and the configuration at wandb.ai, or offline in RUN/wandb.

The key is never a setting, so that no run stores it: `wandb login`, or the variable WANDB_API_KEY.  WANDB_MODE=offline keeps
all on disk until `wandb sync`.  The id of the run is kept in RUN/wandb-id.txt, and a run that goes on is the same one there.

https://docs.wandb.ai/ref/python/init
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ganreg.extras import need

if TYPE_CHECKING:
    import numpy as np

ID = "wandb-id.txt"


class WeightsAndBiases:
    """A run at wandb.ai."""

    def __init__(
        self,
        run_dir: Path,
        *,
        project: Annotated[str, Field(min_length=1, description="where runs are gathered")] = "ganreg",
        entity: Annotated[str | None, Field(description="user or team; none: your own")] = None,
        run_name: Annotated[str | None, Field(description="of the run; none: its directory's")] = None,
        mode: Annotated[
            Literal["online", "offline", "disabled"] | None, Field(description="none: what WANDB_MODE says, else online")
        ] = None,
    ) -> None:
        need("wandb", "wandb", of="tracker wandb")
        self.directory = Path(run_dir)
        self.project, self.entity, self.mode = project, entity, mode
        self.name = run_name if run_name is not None else self.directory.resolve().name
        self.where = ""
        self._run: Any = None

    def start(self, config: Mapping[str, Any]) -> None:
        """Open the run there, or the same again."""
        import wandb

        self._run = wandb.init(
            project=self.project,
            entity=self.entity,
            name=self.name,
            id=self._id(),
            resume="allow",
            mode=self.mode,
            dir=str(self.directory),
            config=dict(config),
            settings=wandb.Settings(console="off", silent=True),  # it would take stdout, and the live view with it
        )
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")  # whose own count only rises, while a rollback goes back
        self.where = f"wandb sync {Path(self._run.dir).parent}" if self._run.offline else self._run.url or ""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """A point of each curve, over steps."""
        self._run.log({**values, "step": step})

    def images(self, step: int, name: str, images: np.ndarray[Any, Any]) -> None:
        """uint8 [N, H, W, C] -> N pictures under one name."""
        import wandb

        pictures = [wandb.Image(one[..., 0] if one.shape[-1] == 1 else one) for one in images]
        self._run.log({name: pictures, "step": step})

    def finish(self, status: str) -> None:
        """Wait until all has arrived, and say how it ended."""
        self._run.summary["status"] = status
        self._run.finish(exit_code=int(status == "failed"))

    def _id(self) -> str:
        """The one that was kept, or a new one."""
        kept = self.directory / ID
        if not kept.is_file():
            self.directory.mkdir(parents=True, exist_ok=True)
            kept.write_text(secrets.token_hex(4), encoding="utf-8")
        return kept.read_text(encoding="utf-8").strip()
