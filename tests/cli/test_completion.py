"""What a shell is offered at TAB, and that nothing slow is imported for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganreg.cli.options import CHOOSING, LISTED
from ganreg.contracts import PLURALS
from ganreg.registry import components

from .conftest import TINY, Run

ROOT = Path(__file__).parents[2]
OFFERED_BY_TRAIN = {*CHOOSING, *LISTED}


@pytest.fixture
def tab(run: Run, monkeypatch: pytest.MonkeyPatch):
    def tab(*words: str) -> list[str]:
        line = ["ganreg", *words]
        with monkeypatch.context() as shell:
            shell.setenv("_GANREG_COMPLETE", "bash_complete")
            shell.setenv("COMP_WORDS", " ".join(line))
            shell.setenv("COMP_CWORD", str(len(line) - 1))
            ran = run()
        assert ran.err == ""
        return [line.partition(",")[2] for line in ran.out.splitlines() if line]

    return tab


def test_verbs_complete(tab):
    assert tab("") == [
        "train",
        "list",
        "show",
        "data",
        "sample",
        "evaluate",
        "report",
        "compare",
        "export",
        "push",
        "pull",
        "checkpoint",
        "config",
        "plugins",
        "bench",
        "completion",
        "selftest",
        "doctor",
    ]
    assert tab("completion", "") == ["install", "show"]
    assert tab("completion", "install", "--shell", "") == ["bash", "zsh", "fish", "powershell"]
    assert tab("checkpoint", "") == ["list", "verify"]
    assert tab("data", "") == ["check", "pack"]
    assert tab("plugins", "") == ["list", "check", "new"]
    assert tab("plugins", "new", "x", "--kind", "g") == ["generator"]
    assert tab("config", "s") == ["show", "schema"]


def test_names_complete_by_kind(tab):
    assert tab("train", "--generator", "") == ["dcgan", "fastgan", "mlp", "r3gan", "resnet", "stylegan2"]
    assert tab("train", "--optimizer", "adam") == ["adam", "adamw"]
    assert tab("show", "loss", "h") == ["hinge"]
    assert tab("show", "losses", "h") == ["hinge"]
    assert tab("show", "recipe", "dc") == ["dcgan"]
    assert tab("train", "--recipe", "dc") == ["dcgan"]
    assert tab("list", "lo") == ["losses"]


@pytest.mark.parametrize("kind", PLURALS)
def test_every_kind_has_its_names_at_tab(tab, kind: str):
    names = [one.name for one in components(kind)]

    assert sorted(tab("show", kind, "")) == sorted(names)
    assert kind in OFFERED_BY_TRAIN or kind in ("metric", "extractor")
    if kind in OFFERED_BY_TRAIN:
        assert sorted(tab("train", f"--{kind}", "")) == sorted(names)


def test_plugins_classes_and_formats_complete(tab, plugin_file: Path):
    assert tab("plugins", "check", "built") == ["builtin"]
    assert tab("plugins", "check", "--plugin", str(plugin_file), "mi") == ["mine"]
    assert tab("list", "--no-plugin", "built") == ["builtin"]
    assert tab("sample", "latest", "--class", "") == ["all"]
    assert tab("sample", "latest", "--format", "") == ["gif", "png", "webp"]
    assert tab("list", "tr") == ["trackers"]


def test_names_of_a_plugin_file_complete(tab, plugin_file: Path):
    assert tab("train", "--plugin", str(plugin_file), "--loss", "mi") == ["mine", "minimax"]


def test_the_words_of_a_setting_complete(tab):
    assert tab("train", "--latents", "") == ["shared", "fresh"]


def test_a_part_s_options_complete_once_it_was_shown(tab, run: Run):
    assert tab("train", "--generator", "mlp", "--generator.") == []
    run("show", "generator", "mlp")

    assert tab("train", "--generator", "mlp", "--generator.") == [
        f"--generator.{option}" for option in ("latent-dim", "hidden", "conditioning", "init")
    ]
    assert tab("train", "--generator", "dcgan", "--generator.") == []


def test_runs_complete_with_the_latest_first(tab, run: Run):
    run("train", *TINY, "--quiet")

    assert tab("train", "--resume", "") == ["latest", "runs/0001"]
    assert tab("sample", "run") == ["runs/0001"]


def test_a_fault_is_silent_at_tab(tab):
    assert tab("train", "--plugin", "none.py", "--loss", "") == []
    assert tab("trian", "--los") == []


def test_completion_imports_no_torch(run: Run, tmp_path: Path):
    run("show", "generator", "mlp")  # fills the cache that the process below reads
    program = "import sys; from ganreg.cli import main; main([]); print('torch' in sys.modules)"
    told = {"PYTHONPATH": str(ROOT), "_GANREG_COMPLETE": "bash_complete", "COMP_CWORD": "4"}
    told["COMP_WORDS"] = "ganreg train --generator mlp --generator.l"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, **told}, check=False, timeout=60
    )

    assert ran.stdout.splitlines() == ["plain,--generator.latent-dim", "False"], ran.stderr
