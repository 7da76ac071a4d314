"""Write the figures of committed results into the README, between their markers.

python benchmarks/tell.py            # rewrites README.md
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def digits_quality(told: dict[str, Any]) -> str:
    """The table of benchmarks/results/digits_quality.json."""
    rows = {"ganreg": told["medians"]["ganreg"], "plain tutorial loop": told["medians"]["tutorial"]}
    spread = {
        who: [one["fd_digits_cnn"] for one in told["results"] if one["who"] == key]
        for who, key in (("ganreg", "ganreg"), ("plain tutorial loop", "tutorial"))
    }
    lines = [
        "| 2,000 samples, median of seeds "
        + ", ".join(map(str, told["seeds"]))
        + " | seconds | Fréchet distance (from – to) | rarest class | surely one digit |",
        "|---|---|---|---|---|",
    ]
    for who, median in rows.items():
        low, high = min(spread[who]), max(spread[who])
        lines.append(
            f"| {who} | {median['seconds']:.0f} | {median['fd_digits_cnn']:.1f} ({low:.1f} – {high:.1f}) "
            f"| {median['min_share']:.1%} | {median['sure']:.0%} |"
        )
    real = told["real"]
    floor = f"{told['real_halves_fd_digits_cnn']:.1f} between two halves of {told['num_real'] // 2}"
    lines.append(f"| real digits | | {floor} | {real['min_share']:.1%} | {real['sure']:.0%} |")
    note = (
        "The distance is taken in the features of a small classifier "
        f"(right on {told['classifier_accuracy']:.1%} of held-out digits); "
        "it is not an FID, and reads higher for fewer pictures. "
        "*Surely*: the classifier gives one digit more than 90 %. "
        f"Both had the same wall seconds on {told['cores']} cores ({told['processor']}, torch {told['torch']}). "
        f"The last of the runs was `{' '.join(told['command'])}`; `python benchmarks/digits_quality.py` repeats them all."
    )
    return "\n".join([*lines, "", note])


def told(readme: str) -> str:
    """The README with every marked part made anew."""
    text = digits_quality(json.loads((RESULTS / "digits_quality.json").read_text(encoding="utf-8")))
    return re.sub(
        r"(<!-- digits-quality:begin -->\n).*?(<!-- digits-quality:end -->)",
        lambda found: f"{found[1]}{text}\n{found[2]}",
        readme,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(told(path.read_text(encoding="utf-8")), encoding="utf-8")
