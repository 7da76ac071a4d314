"""Which trackers a run gets: by name, as objects, from a recipe, when a run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

import ganreg
from ganreg import yamltext
from ganreg.assembly.config import resolve
from ganreg.assembly.trackers import available, chosen, given
from ganreg.errors import PluginError, SettingsError, UnknownNameError, UsageError
from ganreg.registry import current
from tests.engine.observers.test_trackers import Diary
from tests.engine.small import train

NOTES = """
import ganreg


class Notes:
    def __init__(self, run_dir, *, title: str = "notes"):
        self.file, self.title = run_dir / "notes.txt", title

    def note(self, *told):
        with self.file.open("a") as file:
            print(self.title, *told, file=file)

    def start(self, config):
        self.note("start")

    def scalars(self, step, values):
        self.note(step)

    def images(self, step, name, images):
        self.note(step, name, *images.shape)

    def finish(self, status):
        self.note(status)


class Absent(Notes):
    def __init__(self, run_dir):
        from ganreg.extras import need

        need("ganreg_no_such_library", "nothing", of="tracker absent")


@ganreg.hookimpl
def ganreg_components():
    yield ganreg.Component("tracker", "notes", f"{__name__}:Notes", "A file.")
    yield ganreg.Component("tracker", "absent", f"{__name__}:Absent", "Not here.")
"""


@pytest.fixture(autouse=True)
def _plugin(plugin):
    plugin("notes", NOTES)


def config(text: str, *, resumed: bool = False):
    layers = [yamltext.parse(one, source=f"layer {number}") for number, one in enumerate(text.split("---\n"))]
    return resolve(layers, current(), resumed=resumed)


def test_a_name_keeps_its_things_in_the_run_directory_and_the_configuration_names_it(tmp_path: Path):
    result = train(steps=2, sample_every=0, trackers=["notes"], out=tmp_path / "run")
    stored = yamltext.read(tmp_path / "run" / "config.yaml").values

    assert (result.run_dir / "notes.txt").read_text() == "notes start\nnotes 1\nnotes 2\nnotes done\n"
    assert stored["trackers"] == [{"name": "notes", "title": "notes"}]


def test_an_object_is_used_as_it_is_and_not_stored(tmp_path: Path):
    diary = Diary()
    train(steps=1, trackers=[diary], out=tmp_path / "run")

    assert diary.told[-1] == "done"
    assert yamltext.read(tmp_path / "run" / "config.yaml").values["trackers"] == []


def test_a_name_needs_a_directory():
    with pytest.raises(ValueError, match="expected a run directory for the tracker 'notes', got none"):
        train(steps=1, trackers=["notes"])


@pytest.mark.parametrize(("trackers", "told"), [("notes", "got the text 'notes'"), ([object()], "got object")])
def test_what_is_no_tracker_is_refused(trackers: object, told: str):
    with pytest.raises(TypeError, match=told):
        train(steps=1, trackers=trackers)


def test_a_list_in_yaml_with_settings_later_layers_lie_over_it():
    resolved = config("trackers: [notes]\n---\ntracker: {notes: {title: mine}}\n")

    assert resolved.plain()["trackers"] == [{"name": "notes", "title": "mine"}]
    assert config("trackers: [notes]\n---\ntrackers: []\n").trackers == []


def test_a_tracker_named_twice_is_refused():
    with pytest.raises(SettingsError, match="tracker 'notes' is named twice"):
        chosen(config("trackers: [notes, notes]").trackers)


def test_settings_of_one_that_is_not_chosen_are_refused_with_the_nearest():
    with pytest.raises(SettingsError, match=r"no tracker 'note' is chosen. Did you mean 'notes'\?"):
        config("trackers: [notes]\ntracker: {note: {title: x}}\n")


def test_a_missing_library_is_an_error_where_the_tracker_was_asked_for(tmp_path: Path):
    with pytest.raises(UsageError, match="tracker absent needs ganreg_no_such_library"):
        train(steps=1, trackers=["absent"], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match="tracker absent needs"):
        available(chosen(config("trackers: [absent]").trackers), tmp_path)


def test_and_a_warning_where_a_run_that_goes_on_had_it(tmp_path: Path):
    wanted = chosen(config("trackers: [absent, notes]\n---\nsteps: 5\n", resumed=True).trackers)

    with pytest.warns(UserWarning, match=r"tracker 'absent' is left out: .*; pip install 'ganreg\[nothing\]'"):
        assert [one.name for one in available(wanted, tmp_path)] == ["notes"]


def test_a_name_that_nobody_has_any_more_likewise():
    with pytest.warns(UserWarning, match="tracker 'gone' is left out: no tracker is named 'gone'"):
        assert config("trackers: [gone]\n---\nsteps: 5\n", resumed=True).trackers == []
    with pytest.raises(UnknownNameError, match="no tracker is named 'gone'"):
        config("trackers: [gone]")


def test_a_recipe_s_tracker_is_a_wish_and_no_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "watched.yaml"
    file.write_text("trackers: [absent]\n")
    monkeypatch.setattr("ganreg.registry.Registry.recipe", lambda self, name: ganreg.contracts.Recipe("watched", file, "."))

    assert [one.asked for one in chosen(config("recipe: watched\n").trackers)] == [False]
    assert [one.asked for one in chosen(config("recipe: watched\ntrackers: [absent]\n").trackers)] == [True]


def test_a_run_that_goes_on_tells_the_same_tracker(tmp_path: Path):
    from ganreg.assembly import train_config

    small = "{generator: {name: mlp, hidden: [8]}, dataset: gaussians, log_every: 1, trackers: [notes]"
    train_config(config(f"{small}, steps: 2}}"), out=tmp_path / "run", progress=False)
    train_config(config(f"{small}, steps: 3}}"), out=tmp_path / "run", resume=tmp_path / "run", progress=False)
    told = (tmp_path / "run" / "notes.txt").read_text().split("notes ")

    assert [line.strip() for line in told if line[:1].isdigit() and " " not in line.strip()] == ["1", "2", "3"]
    assert told.count("start\n") == told.count("done\n") == 2


def test_another_tracker_makes_no_other_run(tmp_path: Path):
    from ganreg.assembly import train_config

    small = "{generator: {name: mlp, hidden: [8]}, dataset: gaussians, log_every: 1, trackers: "
    train_config(config(f"{small} [notes], steps: 2}}"), out=tmp_path / "run", progress=False)
    result = train_config(config(f"{small} [], steps: 3}}"), out=tmp_path / "run", resume=tmp_path / "run", progress=False)

    assert result.status == "done"


def test_a_tracker_of_a_plugin_that_failed_blames_the_plugin(plugin):
    plugin("broken", "1 / 0")
    with pytest.warns(UserWarning, match="ganreg-broken"), pytest.raises(PluginError, match="ganreg-broken"):
        given(["nowhere"], writes=True)
