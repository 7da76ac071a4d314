"""Fifty plugins, each with parts that are slow to import: a list costs none of that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_distributions import environment, ganreg, many

COUNT, EACH = 50, 5
LIST_AND_TELL = "import sys; from ganreg.cli import main; main(['list']); print(*sorted(sys.modules), file=sys.stderr)"


@pytest.fixture(scope="module")
def fifty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many(tmp_path_factory.mktemp("fifty"), distributions=COUNT, components=EACH)


def imported(site: Path) -> list[str]:
    """The heavy modules that were imported since this was last asked."""
    found = sorted(site.glob("*.imported"))
    for left in found:
        left.unlink()
    return [left.stem for left in found]


def test_fifty_plugins_are_listed_with_all_their_parts(fifty: Path):
    without, with_them = ganreg("list", "--json"), ganreg("list", "--json", sites=[fifty])

    assert (with_them.returncode, with_them.stderr) == (0, "")
    rows = [row for row in json.loads(with_them.stdout) if row not in json.loads(without.stdout)]
    assert {(row["name"], row["origin"]) for row in rows} == {
        (f"many-{number}-{part}", f"ganreg-many-{number} 1.0") for number in range(COUNT) for part in range(EACH)
    }
    assert len(rows) == COUNT * EACH


def test_a_list_imports_no_part_of_fifty_plugins_and_no_torch(fifty: Path):
    imported(fifty)
    ran = subprocess.run(
        [sys.executable, "-c", LIST_AND_TELL],
        env=environment([fifty]),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    modules = ran.stderr.split()

    assert imported(fifty) == []
    assert {f"ganreg_many_{number}_plugin" for number in range(COUNT)} <= {*modules}
    assert [name for name in modules if name.startswith("ganreg_many_") and name.endswith("_parts")] == []
    assert {"torch", "numpy"} & {*modules} == set()


@pytest.mark.slow
def test_a_part_that_is_asked_for_is_imported_alone(fifty: Path):
    imported(fifty)
    ran = ganreg("show", "loss", "many-7-0", sites=[fifty])

    assert ran.returncode == 0, ran.stderr
    assert imported(fifty) == ["ganreg_many_7_parts"]
