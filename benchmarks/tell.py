"""Write the figures of committed results into the pages that tell them, between their markers.

python benchmarks/tell.py            # rewrites README.md and the pages in docs
"""

from __future__ import annotations

import inspect
import json
import re
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ganreg import hookspecs

sys.path.insert(0, str(Path(__file__).parent))  # however this file was found
import tell_data
import tell_quality

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
LOSS_HEADINGS = (
    *("dtype", "N", "fused", "in place", "eager", "compiled"),
    *("eager / fused", "compiled / fused", "eager / in place", "of a copy's speed"),
)
DOCS = ("kernel.md", "engine.md", "scaling.md", "reliability.md", "plugins.md", "parts.md", "results.md", "data.md")
PAGES = (ROOT / "README.md", *(ROOT / "docs" / name for name in DOCS))


def result(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def digits_quality() -> str:
    """The table of benchmarks/results/digits_quality.json."""
    told = result("digits_quality.json")
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


def loss_speed() -> str:
    """A table for each result of `ganreg bench loss`, CPU first, and a line for each kind of device that has none."""
    found = [result(path.name) for path in sorted(RESULTS.glob("loss_*.json"))]
    runs = sorted((one for one in found if one["kind"] == "loss"), key=lambda one: (one["device"], one["pair"]))
    missing = [name for device, name in (("cpu", "CPU"), ("cuda", "CUDA")) if device not in {one["device"] for one in runs}]
    return "\n\n".join([*map(_loss_table, runs), *(f"{name}: not run." for name in missing)])


def _loss_table(run: dict[str, Any]) -> str:
    place, kernel = run["machine"], run["machine"]["kernel"]
    threads = "1 thread" if place["omp_threads"] == 1 else f"{place['omp_threads']} threads"
    where = place["card"] or f"{place['processor']}, {place['cores']} cores, {threads}"
    which = " ".join(filter(None, [kernel["kind"], kernel["variant"], "kernel"]))
    because = kernel["compiler"] or kernel["reason"]
    form = "N reals and N fakes" if run["pair"] else "N logits of one side"
    lines = [
        f"**{where}** ({which}{f', {because}' if because else ''}; torch {run['torch']}, Python {run['python']}, "
        f"ATen {place['aten_capability']}; {run['date'][:10]}), {form}:",
        "",
        f"| {' | '.join(LOSS_HEADINGS)} |",
        "|---" * len(LOSS_HEADINGS) + "|",
        *map(_loss_row, run["rows"]),
        "",
    ]
    reasons = dict.fromkeys(f"{name}: not run ({why}). " for row in run["rows"] for name, why in row["not_run"].items())
    return "\n".join(lines) + (
        f"\n{''.join(reasons)}Median time of a call; ratios are medians over {run['rounds']} rounds in which all took turns "
        f"(quartiles). `{' '.join(run['command'])}`"
    )


def _loss_row(row: dict[str, Any]) -> str:
    times = [row["contenders"].get(name) for name in ("fused", "in place", "eager", "compiled")]
    ratios = [row["ratios"].get(name) for name in ("eager / fused", "compiled / fused", "eager / in place")]
    share = row["ratios"]["copy / fused"]["median"]
    cells = [
        row["dtype"],
        f"{row['num_logits']:,}",
        *(_seconds(one["median"]) if one else "not run" for one in times),
        *(f"{one['median']:.2f} ({one['low']:.2f} – {one['high']:.2f})" if one else "" for one in ratios),
        f"{share:.0%}",
    ]
    return f"| {' | '.join(cells)} |"


def _seconds(seconds: float) -> str:
    """Three digits."""
    size, unit = next(((s, u) for s, u in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")) if seconds >= s), (1e-9, "ns"))
    number = seconds / size
    return f"{number:.{max(0, 3 - len(str(int(number))))}f} {unit}"


def loss_accuracy() -> str:
    """The table of benchmarks/results/loss_accuracy.json: of our variants, the worst."""
    if not (RESULTS / "loss_accuracy.json").is_file():
        return "Not measured."
    told = result("loss_accuracy.json")
    lines = [
        "| dtype | what | target | bar | ours | torch |",
        "|---|---|---|---|---|---|",
        *map(_accuracy_row, told["rows"]),
    ]
    variants = sorted({name for row in told["rows"] for name in row["ours"]})
    inputs = [row["inputs"] for row in told["rows"]]
    many = f"{min(inputs):,}" if min(inputs) == max(inputs) else f"{min(inputs):,} to {max(inputs):,}"
    note = (
        f"Worst error in units of the last place, over {many} logits a row; *ours* is the worst of {', '.join(variants)}, "
        f"*torch* is torch {told['torch']}'s `binary_cross_entropy_with_logits`. `{' '.join(told['command'])}`"
    )
    return "\n".join([*lines, "", note])


def _accuracy_row(row: dict[str, Any]) -> str:
    cells = [row["dtype"], row["what"], f"{row['target']:g}", *map(_ulp, (row["bar"], max(row["ours"].values()), row["torch"]))]
    return f"| {' | '.join(cells)} |"


def _ulp(number: float | None) -> str:
    """1.73; 17,000,000; 3.1e+21."""
    if number is None:
        return "not run"
    if number >= 1e9:
        return f"{number:.2g}"
    return f"{number:,.0f}" if number >= 100 else f"{number:.2f}".rstrip("0").rstrip(".")


def step_speed() -> str:
    """A table for each result of `ganreg bench step`, and a line where there is none of a card."""
    runs = [told for path in sorted(RESULTS.glob("step_*.json")) if (told := result(path.name))["kind"] == "step"]
    missing = [] if any(run["device"] == "cuda" for run in runs) else ["CUDA: not run."]
    return "\n\n".join([*map(_step_table, runs), *missing])


def _step_table(run: dict[str, Any]) -> str:
    place = run["machine"]
    where = place["card"] or f"{place['processor']}, {place['cores']} cores"
    lines = [
        f"**{where}, {run['precision']}** (torch {run['torch']}, Python {run['python']}; {run['date'][:10]}):",
        "",
        "| networks and batch | ganreg, a step | images/s | tutorial / ganreg | bare / ganreg |",
        "|---|---|---|---|---|",
    ]
    for row in run["rows"]:
        ours = row["contenders"]["ganreg"]
        ratios = [row["ratios"][f"{peer} / ganreg"] for peer in ("tutorial", "bare")]
        cells = [row["case"], _seconds(ours["median"]), f"{ours['images_per_second']:,.0f}"]
        cells += [f"{one['median']:.2f} ({one['low']:.2f} – {one['high']:.2f})" for one in ratios]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"Medians over {run['rounds']} rounds (quartiles). `{' '.join(run['command'])}`"])


def ranks_speed() -> str:
    """The line of benchmarks/results/ranks_cpu.json."""
    told = result("ranks_cpu.json")
    each = ", ".join(f"{one:.2f}" for one in told["two_over_one"]["each"])
    return (
        f"Two ranks with one thread each made {told['two_over_one']['median']:.2f} of the images a second of one rank with two "
        f"threads ({each}; DCGAN, 64x64, 32 images an update, {told['machine']['processor']}, "
        f"{told['machine']['cores']} cores, gloo). `{' '.join(told['command'])}`"
    )


def save_cost() -> str:
    """The line of benchmarks/results/save_cost_cpu.json."""
    told = result("save_cost_cpu.json")
    between = told["default_steps_between_saves"]
    low, _, high = told["quartiles"]
    return (
        f"A checkpoint of {told['weight_bytes'] / 1e6:.0f} MB of weights ({told['checkpoint_bytes'] / 1e6:.0f} MB with average "
        f"and moments) took {told['seconds_a_save_costs']:.1f} s from the training (quartiles {low:.1f} – {high:.1f}), "
        f"{told['share']:.1%} of the {between} steps of {told['seconds_a_step'] * 1e3:.0f} ms between two saves at default "
        f"settings ({told['machine']['processor']}, {told['machine']['cores']} cores). `{' '.join(told['command'])}`"
    )


def plugins_speed() -> str:
    """The line of benchmarks/results/plugins_list.json."""
    told = result("plugins_list.json")
    ratio, seconds = told["fifty_over_none"], told["seconds"]
    each = f"{min(ratio['each']):.2f} – {max(ratio['each']):.2f}"
    fifty, none = (f"{statistics.median(seconds[name]) * 1e3:.0f} ms" for name in ("fifty", "none"))
    machine = f"{told['machine']['processor']}, {told['machine']['cores']} cores"
    return (
        f"  `ganreg list` took {fifty} with {told['plugins']} plugins of {told['components']} components each"
        f" and {none} with none, {ratio['median']:.2f} times as long ({each} in {told['rounds']} rounds; {machine})."
        f" `{' '.join(told['command'])}`"
    )


def hooks() -> str:
    """Each hook of ganreg/hookspecs.py: what it answers, its sentence, its example."""
    told = []
    for name, hook in vars(hookspecs).items():
        if name.startswith("ganreg_"):
            words, _, example = inspect.cleandoc(hook.__doc__).partition("Example::")
            told += [f"### `{name}{_plain(inspect.signature(hook))}`", "", words.strip(), "", "```python"]
            told += [inspect.cleandoc(example).strip(), "```", ""]
    return "\n".join(told).rstrip()


def table(name: str) -> Callable[[], str]:
    """What a committed result tells; one that was not measured says so."""
    tables = {**tell_quality.TABLES, **tell_data.TABLES}

    def made() -> str:
        return tables[name](result(f"{name}.json")) if (RESULTS / f"{name}.json").exists() else tell_quality.MISSING

    return made


def _plain(signature: inspect.Signature) -> str:
    return str(signature).replace("'", "")


PARTS: dict[str, Callable[[], str]] = {
    "digits-quality": digits_quality,
    "loss-speed": loss_speed,
    "loss-accuracy": loss_accuracy,
    "step-speed": step_speed,
    "ranks-speed": ranks_speed,
    "save-cost": save_cost,
    "plugins-speed": plugins_speed,
    "walk": table("walk"),
    "loader": table("loader"),
    "hooks": hooks,
    "parts": tell_quality.parts,
    "results-points": table("points"),
    "results-digits": table("digits"),
    "results-long": table("digits_long"),
    "results-stacked": table("stacked"),
}


def marked(page: str) -> Iterator[str]:
    """The names of a page's parts."""
    return (found[1] for found in re.finditer(r"<!-- ([\w-]+):begin -->", page))


def told(page: str) -> str:
    """A page with every marked part made anew."""
    for name in marked(page):
        text = PARTS[name]()
        page = re.sub(
            rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)",
            lambda found, text=text: f"{found[1]}{text}\n{found[2]}",
            page,
            flags=re.DOTALL,
        )
    return page


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(told(path.read_text(encoding="utf-8")), encoding="utf-8")
