"""What somebody types who has not read the manual: each mistake is told what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run

MISTAKES = {
    "trian": "there is no command 'trian'. Did you mean 'train'?",
    "plugins lst": "there is no command 'lst'. Did you mean 'list'?",
    "completion instal": "there is no command 'instal'. Did you mean 'install'?",
    "train r3gan": "no option stands before 'r3gan'. Did you mean --recipe r3gan or --generator r3gan or --discriminator",
    "train --loss bce hinge": "no option stands before 'hinge'. Did you mean --loss hinge?",
    "train photos": "no option stands before 'photos'. Did you mean --data photos?",
    "train nothing": "no option stands before 'nothing'",
    "train nul\0": "no option stands before 'nul",
    "train --genarator dcgan": "there is no option '--genarator'. Did you mean '--generator'?",
    "train --generator dcgann": "no generator is named 'dcgann'. Did you mean 'dcgan'?",
    "train --recipe dcgn": "no recipe is named 'dcgn'. Did you mean 'dcgan'?",
    "train --loss hinge --loss.margn 2": "there is no option '--loss.margn'. Did you mean '--loss.margin'?",
    "train --set losss=hinge": "there is no setting 'losss'. Did you mean 'loss'?",
    "train -c wrong.yaml": "there is no setting 'genrator'. Did you mean 'generator'?",
    "train -c tab.yaml": "a tab, where YAML takes spaces alone",
    "train --tracker tensorbord": "no tracker is named 'tensorbord'. Did you mean 'tensorboard'?",
    "list optimisers": "there is no kind of component named 'optimisers'. Did you mean 'optimizers'?",
    "show losss": "there is no kind of component named 'losss'. Did you mean 'losses'?",
    "show loss": "which loss? its name is missing",
    "show recipe": "which recipe? its name is missing",
    "show loss hing": "no loss is named 'hing'. Did you mean 'hinge'?",
    "sample latest": "there is no run with a checkpoint below runs",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_told_what_was_meant(run: Run, words: str):
    Path("photos").mkdir()
    Path("wrong.yaml").write_text("genrator: dcgan\n")
    Path("tab.yaml").write_text("generator:\n\tname: dcgan\n")
    status, out, err = run(*words.split())

    assert (status, out) == (2, "")
    first, *rest = err.splitlines()
    assert MISTAKES[words] in first
    assert [line.split(":")[0].strip() for line in rest[-2:]] == ["at", "fix"]
    assert not Path("runs").exists()


@pytest.mark.parametrize("words", [["list"], ["--help"], ["show", "loss", "hinge"]])
def test_no_color_and_a_pipe_have_none(run: Run, words: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")

    assert "\x1b" not in run(*words).out
