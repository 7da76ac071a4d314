"""The figures in the pages are those of the committed results; and the page of the kernel is true."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ganreg.ops.reference import FORMULAS

from .bench.results import measured

ROOT = Path(__file__).parents[1]
KERNEL = (ROOT / "docs" / "kernel.md").read_text(encoding="utf-8")
PARTS = ["digits-quality", "loss-speed", "loss-accuracy", "step-speed", "ranks-speed", "save-cost", "plugins-speed"]
PARTS += [f"results-{name}" for name in ("points", "digits", "long", "stacked")]
PARTS += ["walk", "loader"]
WORDS = ["hooks", "parts"]
ACCURACY = {
    "kind": "loss-accuracy",
    "command": ["python", "accuracy.py"],
    "torch": "2.11.0",
    "rows": [
        {
            "dtype": "float32",
            "what": "gradient",
            "target": 0.0,
            "bar": 3.0,
            "inputs": 1_234_567,
            "ours": {"avx2": 1.7, "scalar": 1.8},
            "reference": 0.5,
            "torch": 17_000_000.0,
        }
    ],
}

PLACE = {"machine": {"processor": "Abacus", "cores": 2}, "torch": "2", "date": "2026-01-02T03", "command": ["python"]}
DIGIT = {"fd_digits_cnn": 2.25, "kd_digits_cnn": 0.5, "precision": 0.75, "recall": 0.5, "min_share": 0.0625}
WALK = [
    {"command": "ganreg data check photos", "seconds": 2.5},
    {"command": "ganreg train --data a.zip", "seconds": 600.0},
    {"command": "ganreg report latest", "seconds": 3.0},
]
RATES = {"usual": [50.0, 70.0], "folder": [90.0, 110.0], "packed": [990.0, 1010.0]}
LOADER = {
    "pictures": {"count": 240},
    "resolution": 128,
    "workers": 2,
    "rounds": 2,
    "images_per_second": RATES,
    "folder_over_usual": {"each": [1.5, 1.7]},
    "packed_over_folder": {"each": [9.0, 11.0]},
}
QUALITY = {
    "points": [
        {
            "layout": "grid",
            "who": "bce",
            "seed": seed,
            "cpu_seconds": 61.0,
            "modes": 20 + seed,
            "share": 0.5,
            "reverse_kl": 0.25,
        }
        for seed in (0, 1)
    ],
    "digits": [
        {"who": "dcgan", "seed": 0, "cpu_seconds": 61.0, "steps": 800, **DIGIT},
        {"who": "told", "seed": 0, "cpu_seconds": 62.0, "steps": 700, "obeyed": 0.875, **DIGIT},
    ],
    "digits_long": [
        {"who": "dcgan", "seed": 0, "step": step, "fd_digits_cnn": 2.0 + step / 1000} for step in range(100, 2001, 100)
    ],
    "stacked": [{"who": "dcgan", "seed": 0, "cpu_seconds": 61.0, "steps": 8000, "modes": 995, "reverse_kl": 0.25}],
}
"""Rows of `benchmarks/quality.py`."""

RATIO = {"median": 1.5, "low": 1.4, "high": 1.6}
STEP = {
    "kind": "step",
    "device": "cpu",
    "precision": "fp32",
    "rounds": 7,
    "command": ["ganreg", "bench", "step"],
    "machine": {"card": None, "processor": "Abacus", "cores": 2},
    "torch": "2",
    "python": "3",
    "date": "2026-01-02",
    "rows": [
        {
            "case": "mlp-784-b64",
            "contenders": {"ganreg": {"median": 0.0071, "images_per_second": 9014.2}},
            "ratios": {"tutorial / ganreg": RATIO, "bare / ganreg": RATIO | {"median": 1.25}},
        }
    ],
}


@pytest.fixture
def tell() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tell", ROOT / "benchmarks" / "tell.py")
    tell = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tell)
    return tell


@pytest.fixture
def results(tell: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of results of our own."""
    monkeypatch.setattr(tell, "RESULTS", tmp_path)
    return tmp_path


def put(folder: Path, name: str, told: dict) -> None:
    (folder / name).write_text(json.dumps(told))


def part(name: str, text: str = "") -> str:
    return f"before\n<!-- {name}:begin -->\n{text}<!-- {name}:end -->\nafter\n"


def test_every_part_stands_in_one_page(tell: ModuleType):
    found = [name for path in tell.PAGES for name in tell.marked(path.read_text(encoding="utf-8"))]

    assert sorted(found) == sorted(PARTS + WORDS) == sorted(tell.PARTS)


def test_the_pages_are_what_the_committed_results_make(tell: ModuleType):
    for path in tell.PAGES:
        page = path.read_text(encoding="utf-8")
        assert tell.told(page) == page, f"run python benchmarks/tell.py ({path.name})"


@pytest.mark.parametrize("name", PARTS)
def test_a_figure_that_was_edited_is_seen(tell: ModuleType, results: Path, name: str):
    put(results, "digits_quality.json", json.loads((ROOT / "benchmarks" / "results" / "digits_quality.json").read_text()))
    put(results, "loss_cpu.json", measured())
    put(results, "loss_accuracy.json", ACCURACY)
    put(results, "step_cpu.json", STEP)
    for file in ("ranks_cpu.json", "save_cost_cpu.json", "plugins_list.json"):
        put(results, file, json.loads((ROOT / "benchmarks" / "results" / file).read_text()))
    for kind, rows in QUALITY.items():
        put(results, f"{kind}.json", {**PLACE, "jobs": 2, "seeds": [0, 1], "rows": rows})
    put(results, "walk.json", {**PLACE, "photos": 300, "rows": WALK})
    put(results, "loader.json", {**PLACE, **LOADER})
    page = tell.told(part(name))
    figures = list(re.finditer(r"\d+", page))

    assert len(figures) > 5
    for figure in figures:
        edited = f"{page[: figure.start()]}{int(figure[0]) + 1}{page[figure.end() :]}"
        assert tell.told(edited) == page != edited


@pytest.mark.parametrize("name", ["results-points", "results-digits", "results-long", "results-stacked", "walk", "loader"])
def test_what_was_not_measured_says_so(tell: ModuleType, results: Path, name: str):
    assert "*Not run.*" in tell.told(part(name))


def test_a_walk_tells_what_each_verb_took_and_loaders_how_they_compare(tell: ModuleType, results: Path):
    put(results, "walk.json", {**PLACE, "photos": 300, "rows": WALK})
    put(results, "loader.json", {**PLACE, **LOADER})

    walked = "With 300 photos each took, on 2 cores (Abacus, torch 2): `data check` 2 s; `train` 10 min; `report` 3 s."
    assert walked in tell.told(part("walk"))
    told = tell.told(part("loader"))
    assert "the usual loop 60 images/s, the folder 100 images/s, the packed archive 1,000 images/s" in told
    assert "Folder beside the usual loop 1.6 (1.5 – 1.7), archive beside folder 10.0 (9.0 – 11.0) times" in told


def test_the_last_of_a_long_run_stands_beside_its_best(tell: ModuleType, results: Path):
    put(results, "digits_long.json", {**PLACE, "seeds": [0], "rows": QUALITY["digits_long"]})

    assert "| 0 | 2.4 | 2.8 | 3.2 | 3.6 | 4.0 | 2.1 | 1.90 |" in tell.told(part("results-long"))


def test_a_table_for_each_measurement_with_machine_and_command(tell: ModuleType, results: Path):
    put(results, "loss_a.json", measured(device="cuda"))
    put(results, "loss_b.json", measured(pair=True))
    put(results, "loss_c.json", measured())
    put(results, "loss_accuracy.json", ACCURACY)
    told = tell.told(part("loss-speed"))

    assert told.count("| dtype | N |") == 3
    assert "**A <fast> one & only, 2 cores, 1 thread** (compiled avx2 kernel, c++ 12; torch 2.11.0" in told
    assert told.index("N logits of one side") < told.index("N reals and N fakes") < told.index("**H9000**")
    assert "`ganreg bench loss`" in told
    assert (
        "| float32 | 4,096 | 410 µs | 205 µs | 2.46 ms | 819 µs "
        "| 6.00 (5.40 – 6.60) | 2.00 (1.80 – 2.20) | 12.00 (10.80 – 13.20) | 25% |"
    ) in told
    assert "not run" not in told


def test_what_was_not_measured_is_said(tell: ModuleType, results: Path):
    one = measured()
    for row in one["rows"]:
        del row["contenders"]["compiled"], row["ratios"]["compiled / fused"]
        row["not_run"] = {"compiled": "no compiler today"}
    put(results, "loss_cpu.json", one)
    told = tell.told(part("loss-speed"))

    assert "| 2.46 ms | not run | 6.00 (5.40 – 6.60) |  | 12.00" in told
    assert told.count("compiled: not run (no compiler today).") == 1
    assert "\nCUDA: not run.\n" in told
    assert "CPU: not run." not in told
    assert tell.told(part("loss-accuracy")) == part("loss-accuracy", "Not measured.\n")


def test_of_our_variants_the_least_accurate_is_told(tell: ModuleType, results: Path):
    put(results, "loss_accuracy.json", ACCURACY)
    told = tell.told(part("loss-accuracy"))

    assert "| float32 | gradient | 0 | 3 | 1.8 | 17,000,000 |" in told
    assert "the worst of avx2, scalar" in told
    assert "1,234,567 logits" in told


# --- the page of the kernel -------------------------------------------------------------------------------------------


def test_the_page_names_every_fused_loss():
    table = KERNEL.partition("## What it computes")[2].partition("\n## ")[0]

    assert re.findall(r"^\| `([\w-]+)` \|", table, flags=re.MULTILINE) == list(FORMULAS)


def test_the_example_of_a_new_loss_is_huber_s():
    source = next(block for block in re.findall(r"```python\n(.*?)```", KERNEL, flags=re.DOTALL) if "def huber" in block)
    names = {"Tensor": Tensor, "torch": torch}
    exec(compile(source, "docs/kernel.md", "exec"), names)
    x = torch.linspace(-4, 4, 33, dtype=torch.float64).requires_grad_()
    y = torch.full_like(x, 0.3)

    loss, derivative, curvature = names["huber"](x.detach(), y.detach(), 1.0)

    wanted = F.huber_loss(x, y, reduction="none")
    (first,) = torch.autograd.grad(wanted.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close((loss, derivative, curvature), (wanted.detach(), first.detach(), second))


def test_the_page_tells_the_switches_of_the_kernel():
    from ganreg.ops.library import MODES, VARIANTS

    for word in (*MODES, *VARIANTS):
        assert f"`{word}`" in KERNEL


def test_the_table_of_steps_is_that_of_a_result(tell: ModuleType, results: Path):
    put(results, "step_cpu.json", STEP)

    told = tell.step_speed()

    assert "**Abacus, 2 cores, fp32**" in told
    assert "| mlp-784-b64 | 7.10 ms | 9,014 | 1.50 (1.40 – 1.60) | 1.25 (1.40 – 1.60) |" in told
    assert told.endswith("CUDA: not run.")
