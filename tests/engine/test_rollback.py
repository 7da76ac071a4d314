"""`--on-nonfinite rollback`: back to the last whole checkpoint, on with other random numbers, counted and never in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ganreg.components.losses.bce import BCE
from ganreg.engine import checkpoint, rollback
from ganreg.engine.settings import RunSettings
from ganreg.errors import NonFiniteError, SettingsError
from tests.engine.small import game, train


class Breaks(BCE):
    """Its value is nan at some calls, of which the first comes before step 1."""

    calls = 0
    bad: frozenset[int] = frozenset()

    def discriminator_value_and_grad(self, real: Any, fake: Any, scale: Any) -> Any:
        type(self).calls += 1
        result = super().discriminator_value_and_grad(real, fake, scale)
        return result._replace(value=result.value * torch.nan) if self.calls in self.bad else result


def breaking(*bad: int) -> Breaks:
    class Own(Breaks):
        pass

    Own.bad = frozenset(bad)
    return Own()


def rows(run_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


OPTIONS = {"steps": 12, "checkpoint_every": 3, "keep": 9, "on_nonfinite": "rollback"}


def test_a_run_goes_back_to_its_last_checkpoint_and_on_to_its_end(tmp_path: Path):
    out = tmp_path / "run"
    with pytest.warns(UserWarning, match=r"not finite.*; back to step-00000006, .* \(1 of at most 10 rollbacks\)"):
        result = train(game(), loss=breaking(8), out=out, **OPTIONS)

    assert result.status == "done"
    assert [row["step"] for row in rows(out)] == list(range(1, 13))
    assert result.history["step"] == list(range(1, 13))
    assert [row["rollbacks"] for row in rows(out)] == [0] * 6 + [1] * 6
    assert rows(out)[-1]["images"] == 13 * 8  # those of the step that was lost were seen, too
    assert all(torch.isfinite(tensor).all() for tensor in result.ema.state_dict().values())
    assert [checkpoint.load(one)[1]["components"]["rollbacks"]["count"] for one in checkpoint.checkpoints(out)] == [0, 0, 1, 1]
    assert json.loads((out / "crash/state.json").read_text())["step"] == 7


def test_the_steps_after_it_draw_other_random_numbers(tmp_path: Path):
    train(game(), out=tmp_path / "whole", **OPTIONS)
    with pytest.warns(UserWarning, match="back to step-00000006"):
        train(game(), loss=breaking(8), out=tmp_path / "run", **OPTIONS)

    first, other = rows(tmp_path / "whole"), rows(tmp_path / "run")
    assert [row["loss_d"] for row in first[:6]] == [row["loss_d"] for row in other[:6]]
    assert first[6]["loss_d"] != other[6]["loss_d"]
    files = [checkpoint.load(tmp_path / name / "checkpoints/step-00000009")[0] for name in ("whole", "run")]
    assert not torch.equal(files[0]["random"]["latents"], files[1]["random"]["latents"])


def test_more_than_were_allowed_end_the_run(tmp_path: Path):
    with (
        pytest.warns(UserWarning, match="[12] of at most 2 rollbacks"),
        pytest.raises(NonFiniteError, match=r"not finite.*\(after 2 rollbacks, as many as may be\)") as told,
    ):
        train(game(), loss=breaking(*range(8, 99)), out=tmp_path / "run", max_nonfinite=2, **OPTIONS)

    assert told.value.exit_code == 5
    assert [one.name[-1] for one in checkpoint.checkpoints(tmp_path / "run")] == ["3", "6"]


def test_before_the_first_checkpoint_there_is_nowhere_to_go_back_to(tmp_path: Path):
    with pytest.raises(NonFiniteError, match="not finite"):
        train(game(), loss=breaking(2), out=tmp_path / "run", **OPTIONS)


def test_a_run_that_writes_nothing_cannot_go_back():
    with pytest.raises(SettingsError, match="rollback needs a run directory, for its checkpoints"):
        train(game(), on_nonfinite="rollback")


def test_what_graphs_have_recorded_cannot_be_rolled_back():
    with pytest.raises(SettingsError, match="rollback cannot replace what CUDA graphs have recorded"):
        rollback.check(RunSettings(on_nonfinite="rollback", cuda_graphs="on"))


def test_nan_that_was_found_at_a_save_is_gone_after_it(tmp_path: Path):
    class Spoils:
        every = 1
        spoilt = False

        def started(self, run: Any) -> None:
            self.run = run

        def saved(self, path: Path) -> None: ...
        def finished(self, status: str) -> None: ...
        def stepped(self, step: int, values: Any) -> None:
            if step == 6 and not self.spoilt:
                self.spoilt = True
                next(self.run.state.ema.module.parameters()).view(-1)[0] = torch.nan

    with pytest.warns(UserWarning, match="ema holds nan in .*; back to step-00000003"):
        result = train(game(), out=tmp_path / "run", observers=[Spoils()], **OPTIONS)

    assert all(torch.isfinite(tensor).all() for tensor in result.ema.state_dict().values())
    assert [one.name[-2:] for one in checkpoint.checkpoints(tmp_path / "run")] == ["03", "06", "09", "12"]
