"""How long each command of the README's way from a folder of photos to a result takes.

    python -m benchmarks.walk --json benchmarks/results/walk.json

The commands are read from the README and run one after the other, as they stand, on 300 made photos of about 400 pixels in ten
forms, with a truncated one, a bomb, an empty and a text file among them (`tests.messy`).
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ganreg.bench import machine
from tests.messy import messy

README = Path(__file__).parents[1] / "README.md"
FIRST = "ganreg data check photos"
PHOTOS, SIDE = 300, 400


def commands() -> list[str]:
    """The block of the README that begins with a look at the photos, without its comments."""
    (block,) = re.findall(rf"^```\n({FIRST}.*?)^```$", README.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [line.partition("#")[0].strip() for line in block.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--keep", type=Path, help="an empty folder in which to walk  [one that is deleted]")
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        place = asked.keep or Path(folder)
        messy(place / "photos", PHOTOS, SIDE)
        for command in commands():
            words = [sys.executable, "-m", *shlex.split(command)]
            start = time.perf_counter()
            subprocess.run(words, cwd=place, check=True)
            rows.append({"command": command, "seconds": time.perf_counter() - start})
            print(f"{rows[-1]['seconds']:.1f} s: {command}", flush=True)
    if asked.json:
        command = ["python", "-m", "benchmarks.walk", *sys.argv[1:]]
        told = {"kind": "walk", "command": command, **machine.describe("cpu"), "photos": PHOTOS, "side": SIDE, "rows": rows}
        asked.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
