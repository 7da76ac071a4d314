import random
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from ganreg import plugins
from ganreg.contracts import Component, Recipe
from ganreg.errors import PluginError, UsageError
from ganreg.plugins import PluginWarning

FOLDER = Path(__file__).parent / "plugin_files"
COMPONENT = 'Component("loss", "{name}", "m:a", "Words.")'
HEAD = "import ganreg\nfrom ganreg.contracts import Component\n\n\n@ganreg.hookimpl\n"


def offering(name):
    return f"{HEAD}def ganreg_components():\n    yield {COMPONENT.format(name=name)}\n"


def loaded(**arguments):
    """The plugins and their statuses; no plugin may warn."""
    found = plugins.load(**arguments)
    return found, {plugin.name: plugin.status for plugin in found.plugins}


def names(found):
    return {offer.record.name for offer in found.answers("ganreg_components", Component)}


# --- installed plugins ------------------------------------------------------------------------------------------------


def test_an_installed_plugin_is_found_after_the_built_in_parts(install):
    install("foo")
    found, status = loaded()
    foo = found.plugins[-1]

    assert status == {"builtin": "ok", "foo": "ok"}
    assert (foo.distribution, foo.version, foo.origin, foo.source) == (
        "ganreg-foo",
        "1.0",
        "ganreg-foo 1.0",
        "ganreg_foo_plugin",
    )
    assert foo.hooks == ("ganreg_components", "ganreg_recipes")
    assert {"lonely", "foo-net"} <= names(found)


def test_plugins_are_loaded_in_the_order_of_their_names_not_of_the_path(install):
    install("foo", "bar")
    assert list(loaded()[1]) == ["builtin", "bar", "foo"]

    install("bar", "foo")
    assert list(loaded()[1]) == ["builtin", "bar", "foo"]


FAILURES = {
    "raises-import-error": ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
    "has-a-syntax-error": ("def (:", "SyntaxError: invalid syntax"),
    "exits": ("raise SystemExit(5)", "SystemExit: 5"),
    "raises-any-exception": ("class Odd(BaseException): pass\nraise Odd('one\\ntwo')", "Odd: one"),
    "is-not-there": (None, "ModuleNotFoundError: No module named 'ganreg_x_plugin'"),
    "misspells-a-hook": (
        f"{HEAD}def ganreg_component():\n    return ()\n",
        "ValueError: unknown hook 'ganreg_component'. Did you mean 'ganreg_components'?",
    ),
    "asks-for-too-much": (
        f"{HEAD}def ganreg_components(run):\n    return ()\n",
        "ValueError: Plugin 'x' for hook 'ganreg_components'",
    ),
    "is-half-misspelt": (
        f"{offering('half')}\n\n@ganreg.hookimpl\ndef ganreg_zzz():\n    return ()\n",
        "ValueError: unknown hook 'ganreg_zzz'.",
    ),
    "wraps-without-yield": (
        f"{HEAD.replace('hookimpl', 'hookimpl(wrapper=True)')}def ganreg_components():\n    return ()\n",
        "ValueError: Plugin 'x' for hook 'ganreg_components'",
    ),
}


@pytest.mark.parametrize(("source", "reason"), FAILURES.values(), ids=FAILURES)
def test_a_plugin_that_fails_at_load_is_told_in_one_line_and_harms_no_other(install, plugin, source, reason):
    install("foo")
    plugin("x", source, version="0.3")
    with pytest.warns(PluginWarning) as told:
        found = plugins.load()

    assert [str(warning.message).count("\n") for warning in told] == [0]
    assert str(told[0].message).startswith(f"plugin ganreg-x 0.3 (x) is left out: {reason}")
    (broken,) = found.broken
    assert (broken.name, broken.status, broken.source) == ("x", "broken", "ganreg_x_plugin")
    assert broken.error is not None
    assert "ganreg_x_plugin" not in [offer.plugin.source for offer in found.answers("ganreg_components", Component)]
    assert {"hinge", "lonely"} <= names(found)
    assert "half" not in names(found)


RUN_TIME_FAILURES = {
    "raises-half-way": ('    raise RuntimeError("half-way")\n', "RuntimeError: half-way"),
    "exits-half-way": ("    raise SystemExit(1)\n", "SystemExit: 1"),
    "yields-a-string": ('    yield "loss"\n', "TypeError: ganreg_components must yield Component, got str"),
    "yields-a-bad-record": ('    yield Component("loss", "X", "m:a", "")\n', "ValueError: name of a loss must be lower case"),
}


@pytest.mark.parametrize(("rest", "reason"), RUN_TIME_FAILURES.values(), ids=RUN_TIME_FAILURES)
def test_a_hook_that_fails_half_way_offers_nothing_and_hides_no_other(install, plugin, rest, reason):
    install("foo")
    plugin("a", offering("half") + rest)
    found, status = loaded()
    assert status == {"builtin": "ok", "a": "ok", "foo": "ok"}

    with pytest.warns(PluginWarning, match=r"plugin ganreg-a 1\.0 \(a\) is left out: ") as told:
        offered = names(found)

    assert len(told) == 1
    assert found.broken[0].reason.startswith(reason)
    assert "half" not in offered
    assert {"hinge", "lonely"} <= offered
    assert names(found) == offered  # told once, and left out from then on


def test_a_hook_that_answers_none_offers_nothing(plugin):
    plugin("a", f"{HEAD}def ganreg_components():\n    return None\n")
    found, _ = loaded()

    assert "hinge" in names(found)
    assert found.broken == []


@pytest.mark.parametrize("api", ["2", "0", "'1'"])
def test_a_plugin_for_another_interface_is_incompatible_and_registers_nothing(plugin, api):
    plugin("x", f"GANREG_API = {api}\n{offering('future')}")
    with pytest.warns(PluginWarning, match="ImportError: it needs plugin interface .*, this ganreg has 1"):
        found = plugins.load()

    assert (found.plugins[-1].status, found.plugins[-1].hooks) == ("incompatible", ())
    assert found.broken == [found.plugins[-1]]
    assert "future" not in names(found)


def test_a_plugin_that_says_this_interface_is_taken(plugin):
    plugin("x", f"GANREG_API = 1\n{offering('present')}")

    assert "present" in names(loaded()[0])


@pytest.mark.parametrize("entry", ["foo", "builtin"])
def test_a_second_plugin_of_one_name_is_left_out_and_the_first_stays(install, plugin, entry):
    install("foo")
    plugin("z", offering("second"), entry=entry)
    with pytest.warns(
        PluginWarning, match=f"plugin ganreg-z 1.0 .* is left out: ValueError: another plugin is named '{entry}'"
    ):
        found = plugins.load()

    assert {"hinge", "lonely"} <= names(found)
    assert "second" not in names(found)


def test_control_characters_of_a_plugin_are_shown_and_not_sent(plugin):
    plugin("x", "raise ImportError('\\x1b[31mred\\x07')")
    with pytest.warns(PluginWarning) as told:
        found = plugins.load()

    assert str(told[0].message).endswith(r"ImportError: \x1b[31mred\x07")
    assert r"\x1b[31mred\x07" in str(plugins.failure(found.broken[0]))


def test_ctrl_c_while_a_plugin_is_imported_ends_the_start_and_names_it(plugin):
    plugin("x", "raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt, match=r"interrupted while importing plugin ganreg-x 1\.0 \(x\)"):
        plugins.load()


# --- switches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("switch", "status"),
    [
        ("off", {"bar": "blocked", "broken": "blocked", "foo": "blocked"}),
        ("foo", {"bar": "blocked", "broken": "blocked", "foo": "ok"}),
        ("ganreg-foo, bar", {"bar": "ok", "broken": "blocked", "foo": "ok"}),
    ],
)
def test_the_environment_says_which_plugins_are_imported(install, monkeypatch, switch, status):
    install("foo", "bar", "broken")
    monkeypatch.setenv("GANREG_PLUGINS", switch)

    assert loaded()[1] == {"builtin": "ok", **status}
    assert "ganreg_broken_plugin" not in sys.modules
    assert ("ganreg_foo_plugin" in sys.modules) == (status["foo"] == "ok")


@pytest.mark.parametrize("name", ["broken", "ganreg-broken"])
def test_a_plugin_may_be_left_out_by_its_name_or_its_distribution(install, name):
    install("foo", "broken")
    found, status = loaded(blocked=[name])

    assert status == {"builtin": "ok", "broken": "blocked", "foo": "ok"}
    assert found.broken == []  # nobody's fault
    assert found.plugins[1].reason == "left out by --no-plugin or GANREG_PLUGINS"


def test_a_switch_that_names_no_plugin_is_told_with_the_nearest(install, monkeypatch):
    install("foo")
    monkeypatch.setenv("GANREG_PLUGINS", "foo,bra")
    with pytest.warns(PluginWarning) as told:
        plugins.load(blocked=["ganreg-fo", "two\nlines"])

    assert [str(one.message) for one in told] == [
        "--no-plugin names 'ganreg-fo', which no installed plugin is called. Did you mean 'ganreg-foo'?",
        "--no-plugin names 'two\\nlines', which no installed plugin is called.",
        "GANREG_PLUGINS names 'bra', which no installed plugin is called.",
    ]


def test_a_plugin_without_a_hook_is_ok_and_says_why_it_offers_nothing(plugin):
    plugin("idle", "def ganreg_components(): ...\n")
    found = plugins.load().plugins[-1]

    assert (found.name, found.status, found.hooks) == ("idle", "ok", ())
    assert found.reason == "it offers nothing: no function of it is marked with @ganreg.hookimpl"


@pytest.mark.parametrize("hook", ["ganreg_components", "ganreg_recipes"])
def test_what_a_hook_changes_is_put_back_and_told_and_its_prints_go_to_stderr(plugin, hook, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    act = "os.chdir('/'); random.seed(1); print('noise')"
    plugin("x", f"import os, random, ganreg\n@ganreg.hookimpl\ndef {hook}():\n    {act}\n    return ()\n")
    before = random.getstate()
    with pytest.warns(PluginWarning) as told:
        plugins.load().answers(hook, object)

    said = "plugin ganreg-x 1.0 (x) changed Python's random numbers, the working directory when it was asked; put back"
    assert [str(one.message) for one in told] == [said]
    assert (random.getstate(), Path.cwd()) == (before, tmp_path)
    assert capfd.readouterr() == ("", "noise\n")


def test_even_the_built_in_parts_may_be_left_out(install):
    install("foo")
    found, _ = loaded(blocked=["builtin"])

    assert "lonely" in names(found)
    assert "bce" not in names(found)


@pytest.mark.parametrize("name", ["broken", "x"])
def test_an_authors_switch_raises_where_it_happens(install, plugin, monkeypatch, name):
    monkeypatch.setenv("GANREG_RAISE_PLUGIN_ERRORS", "1")
    if name == "broken":
        install("broken")
    else:
        plugin("x", FAILURES["misspells-a-hook"][0])

    with pytest.raises(PluginError) as told:
        plugins.load()
    assert told.value.__cause__ is not None
    assert told.value.at == f"ganreg_{name}_plugin"


# --- single files -----------------------------------------------------------------------------------------------------


def test_a_single_file_is_a_plugin(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(offering("from-a-file"))
    found, status = loaded(files=[file])

    assert status == {"builtin": "ok", "mine": "ok"}
    assert found.plugins[-1].distribution == str(file)
    assert "from-a-file" in names(found)
    del sys.modules["ganreg_plugin_mine"]


def test_a_single_file_that_is_not_there_is_a_wrong_use(tmp_path):
    with pytest.raises(UsageError, match="the plugin file does not exist") as told:
        plugins.load(files=[tmp_path / "none.py"])

    assert told.value.at == f"--plugin {tmp_path / 'none.py'}"
    assert told.value.exit_code == 2


@pytest.mark.parametrize(
    "source", ["import no_such_module_anywhere", "def (:", "raise SystemExit", f"{HEAD}def ganreg_x(): ..."]
)
def test_a_single_file_that_fails_is_fatal_since_it_was_asked_for(tmp_path, source):
    file = tmp_path / "mine.py"
    file.write_text(source)

    with pytest.warns(PluginWarning), pytest.raises(PluginError, match=r"plugin .*mine.py failed to load: ") as told:
        plugins.load(files=[file])
    assert told.value.exit_code == 3
    assert told.value.__cause__ is not None
    sys.modules.pop("ganreg_plugin_mine", None)


def test_a_single_file_that_is_no_python_is_refused(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text(offering("x"))

    with pytest.warns(PluginWarning), pytest.raises(PluginError, match="ImportError: not a Python file"):
        plugins.load(files=[file])


# --- cost -------------------------------------------------------------------------------------------------------------

LISTING = """
import sys
import ganreg, ganreg.registry
ganreg.registry.configure()
assert {"flat", "steep"} <= {c.name for c in ganreg.components("regularizer")}
ganreg.registry.current().recipes()
import ganreg.settings, ganreg.yamltext, ganreg.errors, ganreg.hookspecs
costly = ("torch", "numpy", "PIL", "ganreg_foo_parts")
print([name for name in sys.modules if name in costly or name.startswith("ganreg.components.")])
"""


def test_listing_imports_no_component_and_no_torch():
    path = f"{FOLDER / 'foo'}:{FOLDER.parents[1]}"
    done = subprocess.run(
        [sys.executable, "-c", LISTING], env={"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("['ganreg.components.builtin']\n", "")


def test_a_loaded_plugin_warns_of_nothing(install):
    install("foo", "bar")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        names(plugins.load())

    assert told == []


def test_what_a_plugin_prints_goes_to_stderr(plugin, capsys):
    hook = "@ganreg.hookimpl\ndef ganreg_components():\n    print('asked')\n    yield from ()\n"
    plugin("loud", f"import ganreg\nprint('imported')\n{hook}")
    plugins.load().answers("ganreg_components", Component)

    assert capsys.readouterr() == ("", "imported\nasked\n")


HOOK = "import ganreg\nfrom ganreg.contracts import Component, Recipe\n\n\n@ganreg.hookimpl\ndef ganreg_{hook}():\n    "


@pytest.mark.parametrize(
    ("source", "status", "told"),
    [
        ("def __getattr__(name):\n    raise SystemExit(3)\n", "broken", "SystemExit: 3"),
        ("GANREG_API = '1'\n", "incompatible", "it needs plugin interface '1', this ganreg has 1"),
        ("GANREG_API = True\n", "incompatible", "it needs plugin interface True, this ganreg has 1"),
        ("class Odd(Exception):\n    def __str__(self):\n        raise ValueError\nraise Odd\n", "broken", "Odd"),
        ("raise ImportError('\\n\\n  at last\\nmore')\n", "broken", "ImportError: at last"),
        ("raise ImportError('x' * 10_000)\n", "broken", "ImportError: " + "x" * 300 + " …"),
        (
            HOOK.format(hook="components") + "while True:\n        yield Component('loss', 'x', 'x:x', '')\n",
            "broken",
            "ValueError: ganreg_components yields more than 10,000 records",
        ),
        (
            HOOK.format(hook="components") + "yield Component('loss', 'x', 'x:x', None)\n",
            "broken",
            "TypeError: summary of a Component must be text, got None",
        ),
        (
            HOOK.format(hook="recipes") + "yield Recipe('x', 'x.yaml', '')\n",
            "broken",
            "TypeError: path of recipe 'x' must be a pathlib.Path, got str",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:plugin ganreg-odd")
def test_odd_plugins_are_left_out_with_a_reason(plugin, source: str, status: str, told: str):
    plugin("odd", source)
    loaded = plugins.load()
    loaded.answers("ganreg_components", Component)
    loaded.answers("ganreg_recipes", Recipe)

    assert loaded.plugins[-1].status == status
    assert loaded.plugins[-1].reason.endswith(told)


@pytest.mark.filterwarnings("ignore:plugin unknown")
def test_a_distribution_without_name_or_a_file_that_cannot_be_read_stops_nobody(plugin, install, tmp_path):
    (plugin("odd", "raise ImportError('x')\n") / "ganreg_odd-1.0.dist-info" / "METADATA").unlink()
    assert [(one.name, one.distribution, one.version) for one in plugins.load().plugins][1:] == [("odd", "unknown", "")]

    info = tmp_path / "site-torn" / "ganreg_torn-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text("[ganreg]\nno equals sign\n")
    install(info.parent)
    with pytest.warns(PluginWarning, match=r"the entry points of a distribution cannot be read \(.*ganreg_torn"):
        assert [one.name for one in plugins.load().plugins] == ["builtin", "odd"]


def test_names_are_compared_as_package_indexes_do(plugin, monkeypatch: pytest.MonkeyPatch):
    plugin("some_thing", "import ganreg\n")
    assert plugins.load(blocked=["Ganreg-Some.Thing"]).plugins[-1].status == "blocked"
    monkeypatch.setenv("GANREG_PLUGINS", "GANREG_some-thing")
    assert plugins.load().plugins[-1].status == "ok"


def test_a_plugin_that_is_slow_to_import_is_named_while_it_is_waited_for(plugin, monkeypatch: pytest.MonkeyPatch, capfd):
    monkeypatch.setattr(plugins, "SLOW_SECONDS", 0.05)
    plugin("slow", "import time\ntime.sleep(0.5)\n")
    plugins.load()

    assert capfd.readouterr().err == "still importing plugin ganreg-slow 1.0 (slow); leave it out with --no-plugin slow\n"
