"""`ganreg doctor`: versions, devices, plugins, and why the kernel that runs is the one that does."""

import json

import pytest
import torch

from .conftest import Run


def test_it_tells_versions_devices_plugins_and_the_kernel_with_its_reason(run: Run):
    status, out, err = run("doctor")
    lines = {line.split()[0]: line for line in out.splitlines() if line}

    assert (status, err) == (0, "")
    assert f"torch {torch.__version__}" in lines["packages"]
    assert "cpu" in lines["devices"]
    assert lines["kernel"].split() == ["kernel", "reference"]
    assert "GANREG_KERNEL=reference" in lines["reason"]
    assert lines["builtin"].split()[-1] == "ok"


def test_json_is_what_a_run_stores(run: Run, trained):
    told = json.loads(run("doctor", "--json").out)
    stored = json.loads((trained / "environment.json").read_text())

    assert told["kernel"] == stored["kernel"]
    assert told["plugins"] == stored["plugins"]


def test_the_compiler_s_own_words_are_shown(run: Run, monkeypatch: pytest.MonkeyPatch):
    from ganreg.ops.library import KernelStatus

    failed = KernelStatus("reference", reason="the compiler failed", last_lines="error: no such header\nstopped")
    monkeypatch.setattr("ganreg.assembly.environment.kernel_status", lambda device: failed)
    out = run("doctor").out

    assert "    error: no such header\n    stopped\n" in out


def test_a_kernel_switch_that_means_nothing_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GANREG_KERNEL", "fast")
    status, _, err = run("doctor")

    assert status == 2
    assert err.startswith("error[GR100]: GANREG_KERNEL: expected one of auto, native, reference, got 'fast'")
