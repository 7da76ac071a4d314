"""MLflow: curves, sample grids and the configuration on a tracking server, or in a local store.

Where that is, MLflow says: MLFLOW_TRACKING_URI, else its own default.  User and password are never a setting, so that no run
stores them: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.  The id of the run is kept in RUN/mlflow-id.txt, and a run
that goes on is the same one there.

https://mlflow.org/docs/latest/ml/tracking/tracking-api
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ganreg.extras import need

if TYPE_CHECKING:
    import numpy as np

ID = "mlflow-id.txt"
LONGEST = 500
"""Characters of a parameter's value that every store takes."""
MOST = 100
"""Parameters in one request."""

ENDS = {"done": "FINISHED", "failed": "FAILED"}


class MLflow:
    """A run of an experiment."""

    def __init__(
        self,
        run_dir: Path,
        *,
        experiment: Annotated[str, Field(min_length=1, description="where runs are gathered")] = "ganreg",
        run_name: Annotated[str | None, Field(description="of the run; none: its directory's")] = None,
        uri: Annotated[str | None, Field(description="the server or store; none: what MLFLOW_TRACKING_URI says")] = None,
    ) -> None:
        if uri is not None and re.search("://[^/]*@", uri):
            raise ValueError("uri would store a user or password; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
        need("mlflow", "mlflow", of="tracker mlflow")
        self.directory = Path(run_dir)
        self.experiment, self.uri = experiment, uri
        self.name = run_name if run_name is not None else self.directory.resolve().name
        self.where = ""

    def start(self, config: Mapping[str, Any]) -> None:
        """Open the run there, or the same again."""
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client = MlflowClient(tracking_uri=self.uri)
        kept = self.directory / ID
        if kept.is_file():
            self._id = kept.read_text(encoding="utf-8").strip()
            self._client.update_run(self._id, status="RUNNING")
        else:
            found = self._client.get_experiment_by_name(self.experiment)
            number = found.experiment_id if found is not None else self._client.create_experiment(self.experiment)
            self._id = self._client.create_run(number, run_name=self.name).info.run_id
            self.directory.mkdir(parents=True, exist_ok=True)
            kept.write_text(self._id, encoding="utf-8")
            params = [Param(key, value) for key, value in _leaves(config)]
            for first in range(0, len(params), MOST):
                self._client.log_batch(self._id, params=params[first : first + MOST])
        self._client.log_dict(self._id, dict(config), "config.yaml")
        self.where = f"experiment {self.experiment}, run {self.name}; mlflow ui"

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """A point of each curve; sent while training goes on."""
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=metrics, synchronous=False)

    def images(self, step: int, name: str, images: np.ndarray[Any, Any]) -> None:
        """uint8 [N, H, W, C] -> N pictures under one name."""
        for index, one in enumerate(images):
            key = name if len(images) == 1 else f"{name}-{index}"
            self._client.log_image(self._id, one, key=key, step=step, synchronous=False)

    def finish(self, status: str) -> None:
        """Wait until all has arrived, and say how it ended."""
        from mlflow import flush_artifact_async_logging, flush_async_logging

        flush_async_logging()
        flush_artifact_async_logging()
        self._client.set_tag(self._id, "status", status)
        self._client.set_terminated(self._id, status=ENDS.get(status, "KILLED"))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and short values: what runs can be compared by."""
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    if not isinstance(value, Mapping | list):
        yield path, str(value)[:LONGEST]
