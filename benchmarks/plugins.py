"""What fifty plugins cost `ganreg list`: whole processes with none and with fifty of five components each, taking turns.

    python -m benchmarks.plugins       writes benchmarks/results/plugins_list.json

The fifty are distributions on disk, in one folder as in site-packages.  The module of each one's components sleeps a second,
imports torch and leaves a file behind when it is imported: a list that imports one is seen, in time and by that file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from ganreg.bench import machine
from tests.fake_distributions import environment, ganreg, many

RESULT = Path(__file__).parent / "results" / "plugins_list.json"
ROUNDS = 15
PLUGINS, COMPONENTS = 50, 5
BAR = 2.0
COMMAND = [sys.executable, "-m", "ganreg", "list"]


def seconds(sites: list[Path]) -> float:
    """Wall time of one `ganreg list`, from the start of its process to its end."""
    told = environment(sites)
    begin = time.perf_counter()
    subprocess.run(COMMAND, check=True, env=told, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def listed(sites: list[Path]) -> int:
    """How many rows the list has; also leaves every plugin compiled, as pip does."""
    ran = ganreg("list", "--json", sites=sites)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    return len(json.loads(ran.stdout))


def main() -> None:
    """Measure, write, tell."""
    with tempfile.TemporaryDirectory() as folder:
        site = many(Path(folder), distributions=PLUGINS, components=COMPONENTS)
        contenders = {"none": [], "fifty": [site]}
        rows = {name: listed(sites) for name, sites in contenders.items()}
        assert rows["fifty"] == rows["none"] + PLUGINS * COMPONENTS, rows
        found: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(ROUNDS):
            for name in sorted(contenders, reverse=number % 2 == 0):  # who is first in a round is last in the next
                found[name].append(seconds(contenders[name]))
        imported = sorted(left.stem for left in site.glob("*.imported"))
    assert imported == [], imported
    ratios = [fifty / none for none, fifty in zip(found["none"], found["fifty"], strict=True)]
    told = {
        "schema": 1,
        "kind": "plugins",
        "command": [*machine.switches(), "python", "-m", "benchmarks.plugins"],
        **machine.describe("cpu"),
        "plugins": PLUGINS,
        "components": COMPONENTS,
        "rounds": ROUNDS,
        "rows": rows,
        "seconds": found,
        "fifty_over_none": {"median": median(ratios), "each": ratios},
        "bar": BAR,
    }
    RESULT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    medians = ", ".join(f"{name} {median(times) * 1e3:.0f} ms" for name, times in found.items())
    print(f"{medians}: {PLUGINS} plugins make {told['fifty_over_none']['median']:.2f} of a list without, at most {BAR:g}")


if __name__ == "__main__":
    main()
