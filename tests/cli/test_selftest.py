"""`ganreg selftest crash`: a table of verdicts, and an exit status that means them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganreg.assembly import selftest
from ganreg.assembly.selftest import Trial
from tests.cli.conftest import Run


@pytest.mark.parametrize(("kept", "status"), [(True, 0), (False, 6)])
def test_verdicts_are_a_table_and_the_exit_status(
    kept: bool, status: int, run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(selftest, "trials", lambda *given, **options: [Trial("one", True, "x"), Trial("two", kept, "y")])

    ran = run("selftest", "crash")

    assert ran.status == status
    assert ("BROKEN" in ran.out) != kept
    assert "one: x" in ran.err
    assert bool(list(place.glob("ganreg-selftest-*"))) != kept  # what was broken is left to be looked at


def test_a_folder_that_is_not_there_is_told(run: Run):
    status, _, err = run("selftest", "crash", "--in", "nowhere")

    assert (status, "'nowhere' is no folder" in err) == (2, True)
