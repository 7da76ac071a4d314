"""The fixtures that pytest finds wherever ganreg is installed."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest


def test_a_command_line_is_run_here(ganreg_run):
    status, out, err = ganreg_run("list", "losses")

    assert (status, err) == (0, "")
    assert "hinge" in out


def test_parts_are_trained_by_name_and_settings(ganreg_train, tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANREG_KERNEL", "reference")
    result = ganreg_train(
        loss="hinge", loss_settings={"margin": 2.0}, generator_settings={"hidden": [8]}, regularizers=["r1"], steps=2
    )

    assert result.history["step"] == [1, 2]
    assert result.history["loss_d"][0] == pytest.approx(4.0, abs=1.0)  # twice the margin, where D says 0 to all
    assert not list(tmp_path.iterdir())
    with pytest.raises(Exception, match="hinje"):
        ganreg_train(loss="hinje")


def test_pytest_is_told_of_them_by_a_module_that_imports_no_torch():
    code = "import ganreg.pytest_plugin, sys; sys.exit('torch' in sys.modules)"

    assert [one.value for one in entry_points(group="pytest11", name="ganreg")] == ["ganreg.pytest_plugin"]
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
