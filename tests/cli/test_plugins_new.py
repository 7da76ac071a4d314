"""`ganreg plugins new`: a package that is found, passes the kit and trains as it was written."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from ganreg import registry
from ganreg.cli.plugins_new import OFFERED
from ganreg.testing import checks_of_plugin

from .conftest import Run


@pytest.fixture
def new(run: Run, place: Path, install, monkeypatch: pytest.MonkeyPatch):
    """Write one and put it on the path as if pip had: -> what was said."""

    def new(name: str, *kinds: str) -> str:
        ran = run("plugins", "new", name, *(word for kind in kinds for word in ("--kind", kind)))
        assert ran.status == 0, ran.err
        folder = place / f"ganreg-{name}"
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        (entry,) = project["entry-points"]["ganreg"].items()
        info = folder / f"ganreg_{name.replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
        (info / "entry_points.txt").write_text(f"[ganreg]\n{entry[0]} = {entry[1]}\n")
        install(folder)
        monkeypatch.setenv("PYTHONPATH", str(folder))
        return ran.out

    return new


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")
def test_one_component_of_each_kind_passes_the_kit_and_all_of_them_train(run: Run, new):
    said = new("my-idea", *OFFERED)
    words = shlex.split(re.search(r"ganreg (train .*)", said)[1])
    for check in checks_of_plugin("ganreg-my-idea"):
        check()
    registry._current = None
    ran = run(*words, "--steps", "3", "--quiet")

    networks = ["generator", "discriminator", "loss", "regularizer", "augmentation", "optimizer"]
    assert list(OFFERED) == [*networks, "dataset", "extractor", "metric", "tracker"]
    assert ran.status == 0, ran.err
    assert all(f"--{kind} my-idea" in said for kind in OFFERED)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OFFERED)
def test_each_kind_alone_trains_with_the_words_it_says(run: Run, new, kind: str):
    words = shlex.split(re.search(r"ganreg (train .*)", new("lone", kind))[1])
    ran = run(*words, "--steps", "2", "--batch-size", "8", "--quiet")

    assert ran.status == 0, ran.err
    assert [offer.record.kind for offer in registry.current().components() if offer.record.name == "lone"] == [kind]


def test_every_word_of_the_template_bears_the_new_name(run: Run, place: Path):
    assert run("plugins", "new", "ganreg-better-hinge", "--kind", "loss", "--out", "there/it").status == 0
    files = {
        path.relative_to("there/it").as_posix(): path.read_text() for path in Path("there/it").rglob("*") if path.is_file()
    }

    assert set(files) == {
        *("pyproject.toml", "README.md", ".gitignore", ".github/workflows/tests.yml", "tests/test_conformance.py"),
        *(f"ganreg_better_hinge/{name}.py" for name in ("__init__", "plugin", "loss")),
    }
    assert not [name for name, text in files.items() if re.search("my.idea|USAGE", text, re.IGNORECASE)]
    assert "ganreg train --loss better-hinge\n" in files["README.md"]
    assert not [path for path in Path("there").iterdir() if path.name != "it"]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["hinge"], 3, "error[GR202]: loss 'hinge' is offered by ganreg"),
        (["My_Idea"], 2, "a plugin's name has up to 60 lower case letters, digits and '-' between them, got 'My_Idea'"),
        (["x" * 61], 2, "up to 60 lower case letters"),
        (["builtin"], 3, "error[GR202]: a plugin named 'builtin' is there already: ganreg"),
        (["x", "--kind", "recipe"], 2, "'recipe' is not one of"),
        (["x", "--out", "."], 2, ". exists already"),
        (["x", "--out", "/dev/null/x"], 6, "error[GR501]: the plugin cannot be written"),
        (["../x"], 2, "got '../x'"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is_left(run: Run, place: Path, words: list[str], status: int, told: str):
    ran = run("plugins", "new", *words)

    assert ran.status == status
    assert told in ran.err
    assert not list(place.iterdir())


def test_a_name_that_only_another_kind_has_is_free(run: Run):
    assert run("plugins", "new", "hinge", "--kind", "generator").status == 0
