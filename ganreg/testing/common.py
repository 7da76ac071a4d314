"""What a component of any kind must do."""

from __future__ import annotations

import inspect
import subprocess
import sys

from ganreg import settings as settings_of
from ganreg import yamltext
from ganreg.testing.subject import Subject, expect

IMPORT_SECONDS = 120.0


def is_documented(subject: Subject) -> None:
    """A summary for lists, a docstring for `ganreg show`."""
    part = subject.part
    expect(bool(part.component.summary.strip()), f"the Component record of {part.owner} has no summary: one line, for lists")
    expect(
        bool(inspect.getdoc(part.factory)),
        f"{part.component.factory} has no docstring: say what it is, with shapes and, where there is one, its paper",
    )


def builds_from_its_settings(subject: Subject) -> None:
    """Twice, since a run builds what a trial has built before."""
    subject.made()
    subject.made()


def keeps_its_settings_in_yaml(subject: Subject) -> None:
    """A run's config.yaml holds them; what is read back is what was meant."""
    part = subject.part
    checked = part.check(subject.settings)
    told = settings_of.plain(part.model, checked)
    again = part.check(yamltext.parse(yamltext.dump({"part": told})).values["part"])
    expect(again == checked, f"the settings of {part.owner} are not the same after YAML: {checked} became {again}")


def imports_without_torch(module: str) -> None:
    """A plugin's module, so that `ganreg list` stays quick.  Not about one component."""
    code = f"import importlib, sys; importlib.import_module({module!r}); sys.exit(3 if 'torch' in sys.modules else 0)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=IMPORT_SECONDS, check=False)
    expect(ran.returncode in (0, 3), f"{module} cannot be imported alone: {ran.stderr[-500:]}")
    expect(ran.returncode == 0, f"importing {module} imports torch: name factories as 'module:attribute', import them nowhere")


CHECKS = (is_documented, builds_from_its_settings, keeps_its_settings_in_yaml)
