"""`ganreg pull`: what arrives is verified; how it is used comes with it.  The round trip is in test_push.py."""

import sys

import pytest

from tests.sharing.fake_hub import Hub

from .conftest import Run
from .test_push import hub as hub

pytestmark = pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")  # of the library, about its own call


def test_what_is_not_there_is_a_data_error(run: Run, hub: Hub):
    status, out, err = run("pull", "me/nothing")

    assert (status, out) == (4, "")
    assert err.startswith("error[GR309]: there is no such repository, or you may not see it\n")


def test_a_generator_of_a_plugin_names_the_line_that_installs_it(run: Run, hub: Hub, trained, plugin, monkeypatch):
    assert run("push", "latest", "me/ring", "--yes").status == 0
    files = hub.repositories["me/ring"].files
    from ganreg.assembly import exported

    files["config.json"] = files["config.json"].replace(b'"distribution": "ganreg"', b'"distribution": "ganreg-moons"')
    files["config.json"] = files["config.json"].replace(b'"name": "mlp"', b'"name": "fourier"', 1)
    listed = {name: one for name, one in files.items() if name not in ("README.md", "manifest.json")}
    files["manifest.json"] = exported.manifest_of(listed)
    status, out, _ = run("pull", "me/ring", "--out", "got")

    assert status == 0
    assert "first: pip install ganreg-moons==" in out
    ran = run("sample", "got")
    assert ran.status == 3
    assert "fix: pip install ganreg-moons==" in ran.err


def test_a_missing_extra_is_told(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    status, _, err = run("pull", "me/ring")

    assert status == 2
    assert err.startswith("error[GR109]: ganreg pull needs huggingface_hub, which is not installed\n")
    assert "fix: pip install 'ganreg[hub]'" in err


def test_a_word_that_is_no_repository_is_refused_with_the_verb_that_was_typed(run: Run):
    status, _, err = run("pull", "ring")

    assert status == 2
    assert err.endswith("fix: ganreg pull user/name\n")
