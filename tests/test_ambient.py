from __future__ import annotations

import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ganreg import plugins, registry
from ganreg.ambient import unchanged
from ganreg.plugins import PluginWarning

CHANGES: dict[str, tuple[Callable[[], object], str]] = {
    "a seed of Python's": (lambda: random.seed(3), "Python's random numbers"),
    "numpy's seed": (lambda: np.random.seed(3), "numpy's random numbers"),
    "a draw of torch's": (lambda: torch.rand(1), "torch's random numbers"),
    "torch's seed": (lambda: torch.manual_seed(3), "torch's random numbers"),
    "float64": (lambda: torch.set_default_dtype(torch.float64), "torch's default dtype"),
    "no gradients": (lambda: torch._C._set_grad_enabled(False), "torch's grad mode"),
    "threads": (lambda: torch.set_num_threads(torch.get_num_threads() + 1), "torch's threads"),
    "silence": (lambda: warnings.simplefilter("ignore"), "the filters of all warnings"),
}


def everything() -> tuple[object, ...]:
    numbers = repr(np.random.get_state()), torch.initial_seed(), torch.get_rng_state().tolist()
    defaults = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()
    return random.getstate(), *numbers, *defaults, list(warnings.filters)


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_everybodys_is_put_back_and_told(change: str):
    act, name = CHANGES[change]
    told: list[str] = []
    before = everything()

    with unchanged(told.append):
        act()
        assert everything() != before

    assert told == [name]
    assert everything() == before


def test_several_changes_are_told_in_one_line_even_where_the_import_fails():
    told: list[str] = []

    def fails() -> None:
        random.seed(1)
        torch.manual_seed(1)
        raise ImportError

    with pytest.raises(ImportError), unchanged(told.append):
        fails()

    assert told == ["Python's random numbers, torch's random numbers"]


def test_a_filter_of_ones_own_warnings_is_ones_own():
    class Own(UserWarning):
        pass

    told: list[str] = []
    with warnings.catch_warnings():
        with unchanged(told.append):
            warnings.simplefilter("ignore", Own)
        assert any(one[2] is Own for one in warnings.filters)
        with unchanged(told.append):
            warnings.simplefilter("ignore", Own)
            warnings.simplefilter("ignore")
        assert any(one[2] is Own for one in warnings.filters)

    assert told == ["the filters of all warnings"]


def test_an_import_that_changes_nothing_or_draws_a_number_is_not_told():
    for drawn in (0, 1, 311):  # a table is made anew at the first number, and after 624
        random.seed(0)
        for _ in range(drawn):
            random.random()
        before = random.getstate()

        with unchanged(pytest.fail):
            pass
        with unchanged(pytest.fail):
            random.random(), random.random()

        assert random.getstate() == before


ALONE = """
import sys
from ganreg.ambient import unchanged
told = []
with unchanged(told.append):
    import torch
    {act}
assert told == {told}, told

assert torch.get_default_dtype() is torch.float32 and torch.is_grad_enabled()
"""


@pytest.mark.parametrize(
    ("act", "told"),
    [("torch.set_grad_enabled(False); torch.set_default_dtype(torch.float64)", True), ("import torch.nn", False)],
)
def test_torch_that_the_import_itself_brought_is_looked_at_too(act: str, told: bool):
    names = ["torch's default dtype, torch's grad mode"] if told else []
    ran = subprocess.run(
        [sys.executable, "-c", ALONE.format(act=act, told=names)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_a_plugin_that_seeds_on_import_is_named(plugin: Callable[..., Path]):
    plugin("x", "import random\nrandom.seed(0)\n")
    before = random.getstate()

    with pytest.warns(PluginWarning, match=r"plugin ganreg-x 1.0 \(x\) changed Python's random numbers when it was imported"):
        found = plugins.load()

    assert found.plugins[-1].status == "ok"
    assert random.getstate() == before


def test_so_is_a_part_that_does(plugin: Callable[..., Path]):
    site = plugin(
        "x",
        "import ganreg\nfrom ganreg.contracts import Component\n\n\n@ganreg.hookimpl\ndef ganreg_components():\n"
        "    yield Component('loss', 'seeding', 'ganreg_x_loss:Loss', 'Words.')\n",
    )
    (site / "ganreg_x_loss.py").write_text(
        "import torch\nfrom ganreg.components.losses.hinge import Hinge as Loss\ntorch.manual_seed(0)\n"
    )
    torch.manual_seed(1)  # another one: tests before this may have left 0
    before = torch.get_rng_state()

    with pytest.warns(PluginWarning, match=r"ganreg-x 1.0 \(x\) changed torch's random numbers"):
        registry.create("loss", "seeding")

    assert torch.equal(torch.get_rng_state(), before)
