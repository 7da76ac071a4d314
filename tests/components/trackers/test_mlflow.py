"""The real package with a store on this disk, read back by its own client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganreg.components.trackers.mlflow import MLflow
from ganreg.errors import SettingsError, UsageError
from ganreg.registry import current

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]  # what it imports warns of what it imports


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.chdir(tmp_path)
    return pytest.importorskip("mlflow", reason="ganreg[mlflow]").MlflowClient()


def write(run_dir: Path, *values: tuple[int, float], status: str = "done") -> None:
    tracker = MLflow(run_dir)
    tracker.start({"loss": {"name": "bce"}, "regularizers": [{"name": "r1"}], "steps": 2})
    for step, value in values:
        tracker.scalars(step, {"loss_d": value, "metric/frechet-distance": 2.0})
    tracker.images(step, "samples", np.full((1, 4, 6, 3), 7, dtype=np.uint8))
    tracker.finish(status)


def test_a_run_arrives_and_one_that_goes_on_is_the_same(client: Any, tmp_path: Path):
    write(tmp_path / "0007", (1, 1.0), (2, 2.0))
    write(tmp_path / "0007", (3, 3.0), status="interrupted")
    experiment = client.get_experiment_by_name("ganreg")
    (run,) = client.search_runs([experiment.experiment_id])

    assert run.info.run_name == "0007"
    assert run.info.run_id == (tmp_path / "0007" / "mlflow-id.txt").read_text()
    assert run.info.status == "KILLED"
    assert run.data.params == {"loss.name": "bce", "regularizers.0.name": "r1", "steps": "2"}
    history = client.get_metric_history(run.info.run_id, "loss_d")
    assert sorted((one.step, one.value) for one in history) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert run.data.metrics["metric/frechet-distance"] == 2.0
    names = [one.path for one in client.list_artifacts(run.info.run_id)]
    assert names == ["config.yaml", "images"]
    assert any(one.path.endswith(".png") for one in client.list_artifacts(run.info.run_id, "images"))


def test_a_password_is_no_setting(tmp_path: Path):
    part = current().part("tracker", "mlflow")

    with pytest.raises(SettingsError, match="uri would store a user or password; set MLFLOW_TRACKING_USERNAME"):
        part.build(part.check({"uri": "https://me:secret@example.org"}), tmp_path)


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganreg.extras.find_spec", lambda name: None)

    with pytest.raises(UsageError, match="tracker mlflow needs mlflow, which is not installed") as raised:
        MLflow(tmp_path)
    assert raised.value.fix == "pip install 'ganreg[mlflow]'"
