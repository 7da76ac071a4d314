"""Every built-in part passes the kit that its rivals are measured by."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganreg.pictures import picture
from ganreg.testing import Check, parametrize_with_checks

SETTINGS: dict[str, dict[str, object]] = {"dataset-image-folder": {"path": "pictures", "resolution": 8}}


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        made = picture(torch.rand(1, 3, 8, 8) * 2 - 1)
        assert made is not None
        made.save(tmp_path / "pictures" / name / "0.png")


@pytest.mark.usefixtures("pictures")
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")
@parametrize_with_checks("ganreg", SETTINGS)
def test_a_built_in_part_conforms(check: Check):
    check()
