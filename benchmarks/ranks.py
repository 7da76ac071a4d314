"""Images a second of two ranks with one thread each beside one rank with two: DCGAN on 64x64 digits, 32 images an update.

python benchmarks/ranks.py        writes benchmarks/results/ranks_cpu.json; the runs take turns, a minute for each pair
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from ganreg.bench import machine

RESULT = Path(__file__).parent / "results" / "ranks_cpu.json"
ROUNDS = 5
STEPS, WARM = 40, 10
COMMAND = [
    *("train", "--generator", "dcgan", "--recipe", "none", "--dataset", "digits", "--resolution", "64"),
    *("--batch-size", "32", "--steps", str(STEPS), "--log-every", str(WARM), "--sample-every", "0", "--checkpoint-every", "0"),
    *("--precision", "fp32", "--quiet"),
]
CONTENDERS = {"one rank, two threads": (["--nproc", "1"], "2"), "two ranks, one thread each": (["--nproc", "2"], "1")}


def images_per_second(words: list[str], threads: str, folder: str) -> float:
    """Of the steps after the first ones."""
    run = Path(folder) / "run"
    environment = os.environ | {"OMP_NUM_THREADS": threads}
    command = [sys.executable, "-m", "ganreg", *COMMAND, "--out", str(run), *words]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return float((rows[-1]["images"] - rows[0]["images"]) / (rows[-1]["seconds"] - rows[0]["seconds"]))


def main() -> None:
    """Measure, write, tell."""
    found: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(ROUNDS):
        for name, (words, threads) in CONTENDERS.items():
            with tempfile.TemporaryDirectory() as folder:
                found[name].append(images_per_second(words, threads, folder))
            print(f"{name}: {found[name][-1]:.1f} images/s", flush=True)
    one, two = found.values()
    told = {
        "schema": 1,
        "kind": "ranks",
        "command": [*machine.switches(), "python", "benchmarks/ranks.py"],
        **machine.describe("cpu"),
        "rounds": ROUNDS,
        "images_per_second": found,
        "two_over_one": {
            "median": median(b / a for a, b in zip(one, two, strict=True)),
            "each": [b / a for a, b in zip(one, two, strict=True)],
        },
    }
    RESULT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(f"two ranks make {told['two_over_one']['median']:.2f} of one rank's images")


if __name__ == "__main__":
    main()
