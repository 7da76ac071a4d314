"""Fake plugins on disk, and a registry that no test leaves changed."""

import importlib
import os
import sys
from pathlib import Path

import pytest

from ganreg import registry

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: two workers with two threads each wait for each other

PLUGIN_FILES = Path(__file__).parent / "plugin_files"


@pytest.fixture(autouse=True)
def _registry_of_the_process(monkeypatch):
    for switch in ("GANREG_PLUGINS", "GANREG_RAISE_PLUGIN_ERRORS"):
        monkeypatch.delenv(switch, raising=False)
    before = registry._current
    yield
    registry._current = before


@pytest.fixture
def install(monkeypatch):
    """`install("foo", "bar")` puts folders of tests/plugin_files, or any others, on sys.path as if pip had."""
    folders: list[str] = []

    def put(*names):
        folders.extend(str(PLUGIN_FILES / name) for name in names)
        for folder in reversed(folders[-len(names) :]):
            monkeypatch.syspath_prepend(folder)
        importlib.invalidate_caches()
        registry._current = None

    yield put
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(tuple(f"{folder}/" for folder in folders)):
            del sys.modules[name]


@pytest.fixture
def plugin(tmp_path, install):
    """`plugin("x", source)` writes and installs the distribution ganreg-x of one module, ganreg_x_plugin."""

    def write(name, source, *, version="1.0", entry=None):
        site = tmp_path / f"site-{name}"
        info = site / f"ganreg_{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ganreg-{name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[ganreg]\n{entry or name} = ganreg_{name}_plugin\n")
        if source is not None:
            (site / f"ganreg_{name}_plugin.py").write_text(source)
        install(site)
        return site

    return write
