import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st

from ganreg import registry, yamltext
from ganreg.assembly.config import DEFAULT_STEPS, DEFAULTS, SINGLE, resolve
from ganreg.errors import NameConflictError, SettingsError, UnknownNameError, UsageError, WrongKindError
from ganreg.plugins import PluginWarning
from ganreg.yamltext import Document, parse
from tests.fuzzing import EXAMPLES, fuzzed

NO_RECIPE = Document({"recipe": None})
"""Under everything, so that the tests do not depend on what the recipes say."""


@pytest.fixture(autouse=True)
def _foo(install):
    install("foo")


def resolved(*layers, recipe=False):
    """The configuration of YAML texts, later ones win; `a` is the place of the first, `b` of the second, …"""
    documents = [layer if isinstance(layer, Document) else parse(layer, "abc"[i]) for i, layer in enumerate(layers)]
    return resolve(documents if recipe else [NO_RECIPE, *documents], registry.current())


def plain(*layers, **options):
    return resolved(*layers, **options).plain()


def faults(*layers, **options):
    with pytest.raises(SettingsError) as told:
        resolved(*layers, **options)
    assert told.value.exit_code == 2
    return told.value.faults


# --- defaults ---------------------------------------------------------------------------------------------------------


def test_nothing_said_is_digits_dcgan_bce_and_adam_with_every_setting_written_out():
    said = plain()

    assert [said[key] and said[key]["name"] for key in SINGLE] == [
        "digits",
        "dcgan",
        "dcgan",
        "bce",
        "adam",
        "adam",
        None,
        None,
    ]
    assert said["generator"]["latent_dim"] == 100
    assert said["discriminator_optimizer"]["betas"] == [0.5, 0.999]
    assert (said["schema_version"], said["recipe"], said["regularizers"], said["metrics"]) == (1, None, [], [])
    assert (said["steps"], said["epochs"], said["batch_size"]) == (DEFAULT_STEPS, None, 64)
    assert said["ema"] == {"half_life": 500_000.0, "ramp": 0.05}


def test_whatever_nobody_said_is_noted():
    assert resolved().inferred == ["discriminator: dcgan", f"steps: {DEFAULT_STEPS}"]
    assert resolved("discriminator: mlp\nepochs: 1").inferred == []


@pytest.mark.parametrize(
    ("generator", "discriminator"),
    [("mlp", "mlp"), ("dcgan", "dcgan"), ("foo-net", "dcgan"), ("ganreg:mlp", "ganreg:mlp"), ("ganreg-foo:foo-net", "dcgan")],
)
def test_a_discriminator_of_the_generators_name_is_taken_where_there_is_one(generator, discriminator):
    assert plain(f"generator: {generator}")["discriminator"]["name"] == discriminator


def test_the_defaults_are_as_they_were_after_many_configurations():
    before = repr(DEFAULTS)
    resolved("generator: {width: 3}\nregularizers: [flat]\noptimizer: sgd", "regularizer: {flat: {weight: 9}}")

    assert repr(DEFAULTS) == before
    assert plain()["regularizers"] == []


# --- layers -----------------------------------------------------------------------------------------------------------


def test_a_later_layer_wins_setting_by_setting():
    said = plain("loss: {name: hinge, margin: 2}\nbatch_size: 8\nseed: 1", "batch_size: 16\nloss: {margin: 3}")

    assert said["loss"] == {"name": "hinge", "margin": 3.0}
    assert (said["batch_size"], said["seed"]) == (16, 1)


def test_text_from_a_command_line_wins_over_a_file_and_means_the_same():
    command_line = Document({"batch_size": "16", "optimizer": {"lr": "1e-3"}, "ema": "none"}, "command line")

    said = plain("batch_size: 8\noptimizer: {lr: 0.5}", command_line)
    assert (said["batch_size"], said["generator_optimizer"]["lr"], said["ema"]) == (16, 1e-3, None)


def test_another_name_drops_the_settings_meant_for_the_one_before():
    assert plain("loss: {name: hinge, margin: 2}", "loss: bce", "loss: hinge")["loss"] == {"name": "hinge", "margin": 1.0}
    assert faults("loss: {name: hinge, margin: 2}", "loss: bce", "loss: {margin: 2}")[0][0] == "c:1:8"


def test_the_same_name_again_keeps_the_settings():
    assert plain("loss: {name: hinge, margin: 2}", "loss: hinge")["loss"] == {"name": "hinge", "margin": 2.0}


def test_a_setting_without_a_name_goes_to_the_default():
    assert plain("generator: {width: 8}")["generator"]["width"] == 8


def test_keys_may_be_spelt_with_dashes_on_every_level():
    dashes = "batch-size: 8\ngenerator: {latent-dim: 5}\ngenerator-optimizer: {lr: 1e-3}\nema: {half-life: 7}"
    said = plain(dashes)

    assert said == plain(dashes.replace("-s", "_s").replace("-d", "_d").replace("-o", "_o").replace("-l", "_l"))
    assert (said["batch_size"], said["generator"]["latent_dim"], said["ema"]["half_life"]) == (8, 5, 7.0)
    assert plain("generator: {latent-dim: 5}", "generator: {latent_dim: 6}")["generator"]["latent_dim"] == 6


def test_the_average_may_be_set_in_part_by_layers_and_switched_off():
    said = plain("ema: {half_life: 10}", "ema: {ramp: none}")

    assert said["ema"] == {"half_life": 10.0, "ramp": None}
    assert plain("ema: {half-life: 10}", "ema: {half_life: 20}")["ema"]["half_life"] == 20.0
    assert plain("ema: null")["ema"] is None


# --- optimizers -------------------------------------------------------------------------------------------------------


def test_optimizer_speaks_to_both_networks():
    said = plain("optimizer: {name: sgd, lr: 0.5}")

    assert said["generator_optimizer"]["lr"] == said["discriminator_optimizer"]["lr"] == 0.5
    assert said["generator_optimizer"]["name"] == said["discriminator_optimizer"]["name"] == "sgd"


def test_in_one_layer_a_networks_own_word_goes_over_the_common_one():
    said = plain("generator_optimizer: {lr: 0.1}\noptimizer: {lr: 0.5, eps: 1e-7}")

    assert (said["generator_optimizer"]["lr"], said["generator_optimizer"]["eps"]) == (0.1, 1e-7)
    assert said["discriminator_optimizer"]["lr"] == 0.5


def test_in_one_layer_another_optimizer_for_one_network_drops_the_common_settings_there():
    said = plain("generator-optimizer: sgd\noptimizer: {name: adam, eps: 1e-7}")

    assert said["generator_optimizer"]["name"] == "sgd"
    assert said["discriminator_optimizer"]["eps"] == 1e-7


def test_a_later_common_word_goes_over_a_networks_own():
    said = plain("generator_optimizer: {lr: 0.1}", "optimizer: {lr: 0.5}")

    assert said["generator_optimizer"]["lr"] == said["discriminator_optimizer"]["lr"] == 0.5


def test_an_empty_common_word_says_nothing():
    assert plain("optimizer: {}") == plain()


def test_a_fault_of_the_common_word_is_told_where_it_stands():
    assert faults("loss: bce\noptimizer:\n  lr: 0\n") == [("a:3:3", "lr must be greater than 0, got 0")]
    own = faults("optimizer:\n  lr: 1\ngenerator_optimizer:\n  lr: 0\n")
    assert own == [("a:4:3", "lr must be greater than 0, got 0")]


# --- recipes ----------------------------------------------------------------------------------------------------------


def test_a_recipe_lies_under_everything_that_is_said():
    said = plain("recipe: foo-net\nloss: {margin: 3}\nbatch_size: 4", recipe=True)

    assert said["generator"] == {"name": "foo-net", "width": 16, "depth": 2}
    assert said["loss"] == {"name": "hinge", "margin": 3.0}
    assert said["generator_optimizer"]["lr"] == said["discriminator_optimizer"]["lr"] == 1e-3
    assert said["regularizers"] == [{"name": "flat", "weight": 0.5, "interval": 1, "network": "discriminator"}]
    assert (said["batch_size"], said["recipe"]) == (4, None)  # all of it is written out


def test_a_generators_name_brings_the_recipe_of_that_name_and_it_is_noted():
    config = resolved("generator: foo-net", recipe=True)

    assert (config.recipe, config.inferred[0]) == ("foo-net", "recipe: foo-net")
    assert config.plain()["batch_size"] == 32
    assert config.plain()["loss"]["name"] == "hinge"


def test_no_recipe_can_be_said_and_is_not_guessed():
    assert plain("generator: foo-net\nrecipe: null", recipe=True)["batch_size"] == 64
    assert resolved("recipe: foo-net", "recipe: null", recipe=True).recipe is None


def test_a_recipe_said_is_not_also_noted_as_guessed():
    assert resolved("recipe: foo-net\nsteps: 1", recipe=True).inferred == ["discriminator: dcgan"]


def test_an_unknown_recipe_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no recipe is named 'foo-nte'. Did you mean 'foo-net'"):
        resolved("recipe: foo-nte", recipe=True)


@pytest.mark.parametrize("value", ["5", "[a]", "{a: 1}", "true"])
def test_a_recipe_that_is_no_name_is_refused(value):
    assert faults(f"seed: 1\nrecipe: {value}", recipe=True)[0][1].startswith("recipe must be a name, got ")


def test_every_built_in_recipe_is_a_configuration():
    for offer in registry.current().recipes():
        said = resolved(f"recipe: {offer.record.name}", recipe=True)
        assert said.recipe == offer.record.name


# --- steps and epochs -------------------------------------------------------------------------------------------------


def test_the_later_of_steps_and_epochs_says_how_long():
    said = plain("steps: 10", "epochs: 2.5")
    assert (said["steps"], said["epochs"]) == (None, 2.5)

    said = plain("epochs: 2.5", "steps: 10")
    assert (said["steps"], said["epochs"]) == (10, None)


def test_steps_and_epochs_in_one_layer_contradict_each_other():
    assert faults("steps: 10\nepochs: 2\n") == [("a:2:1", "steps and epochs both say how long; give one")]
    assert plain("steps: 10\nepochs: null\n")["steps"] == 10


# --- regularizers -----------------------------------------------------------------------------------------------------


def test_regularizers_are_names_or_mappings_in_their_order():
    said = plain("regularizers: [steep, {name: flat, weight: 2}]")["regularizers"]

    assert [(one["name"], one["weight"]) for one in said] == [("steep", 1.0), ("flat", 2.0)]


def test_a_later_list_replaces_the_earlier():
    assert [one["name"] for one in plain("regularizers: [flat]", "regularizers: [steep]")["regularizers"]] == ["steep"]
    assert plain("regularizers: [flat]", "regularizers: []")["regularizers"] == []
    assert plain("regularizers: [flat]", "regularizers: null")["regularizers"] == []


def test_settings_of_a_chosen_regularizer_are_laid_over_it():
    said = plain("regularizers: [{name: flat, weight: 2, interval: 4}, steep]", "regularizer: {flat: {weight: 3}}")
    assert [(one["weight"], one["interval"]) for one in said["regularizers"]] == [(3.0, 4), (1.0, 1)]

    said = plain("regularizers: [flat]\nregularizer: {flat: {weight: 3}}")
    assert said["regularizers"][0]["weight"] == 3.0


def test_settings_of_a_regularizer_that_is_not_chosen_are_refused():
    assert faults("regularizers: [flat]", "regularizer:\n  steep: {weight: 3}") == [
        ("b:2:3", "no regularizer 'steep' is chosen")
    ]


@pytest.mark.parametrize("text", ["regularizers: flat", "regularizers: {flat: {weight: 2}}", "regularizers: 5"])
def test_regularizers_that_are_no_list_are_refused(text):
    ((place, told),) = faults(text)

    assert place == "a:1:1"
    assert told.startswith("regularizers must be a list of names, got ")


@pytest.mark.parametrize("text", ["regularizer: flat", "regularizer: [flat]", "regularizers: [flat]\nregularizer: {flat: 3}"])
def test_settings_of_regularizers_that_are_no_mapping_are_refused(text):
    assert faults(text)[0][1].startswith("regularizer must be a mapping of a chosen name to settings, got ")


def test_a_regularizer_without_a_name_is_refused_where_it_stands():
    assert faults("regularizers:\n- {weight: 2}\n- 7\n") == [
        ("a:2:3", "a regularizer needs a name, got none"),
        ("a:3:3", "a regularizer needs a name, got 7"),
    ]


# --- faults -----------------------------------------------------------------------------------------------------------


def test_the_faults_of_all_components_are_told_at_once_each_at_its_place():
    text = """\
generator:
  name: foo-net
  widht: 8
loss: {name: hinge, margin: 0}
optimizer: {lr: x}
regularizers:
- flat
- {name: steep, weight: -1}
batch-size: 64x
"""
    assert faults(text) == [
        ("a:3:3", "generator 'foo-net' has no setting 'widht'. Did you mean 'width'? Known: width, depth"),
        ("a:4:21", "margin must be greater than 0, got 0"),
        ("a:5:13", "lr must be a number, got 'x'"),
        ("a:8:17", "weight must be greater than or equal to 0, got -1"),
        ("a:9:1", "batch_size must be an integer, got '64x'"),
    ]


def test_a_fault_is_told_in_the_layer_that_said_it():
    assert faults("loss: {name: hinge, margin: 0}", "loss: {name: hinge}") == [
        ("a:1:21", "margin must be greater than 0, got 0")
    ]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("batch_sise", "there is no setting 'batch_sise'. Did you mean 'batch_size'?"),
        ("batch-sise", "there is no setting 'batch_sise'. Did you mean 'batch_size'?"),
        ("lr_gg", "there is no setting 'lr_gg'."),
    ],
)
def test_an_unknown_key_is_refused_with_its_place_and_the_nearest(key, told):
    with pytest.raises(SettingsError) as error:
        resolved(f"loss: bce\n\n{key}: 1\n")

    assert (error.value.what, error.value.at) == (told, "a:3:1")


def test_all_unknown_keys_are_told_at_once():
    assert [place for place, _ in faults("aa: 1\nloss: bce\nbb: 2\n")] == ["a:1:1", "a:3:1"]


@pytest.mark.parametrize("version", ["2", "0", "one", "null"])
def test_another_schema_version_is_refused(version):
    assert faults(f"schema_version: {version}")[0][1].startswith("schema_version must be 1, got ")


@pytest.mark.parametrize("key", [key for key in SINGLE if key not in ("augmentation", "discriminator", "extractor")])
@pytest.mark.parametrize("value", ["null", "5", "[a]", "{name: null}"])
def test_a_component_that_a_run_needs_must_have_a_name(key, value):
    ((place, told),) = faults(f"{key}: {value}")

    assert place.startswith("a:1:")
    assert "needs a name, got " in told


def test_no_augmentation_is_a_choice_and_settings_without_one_are_not():
    assert plain("augmentation: null")["augmentation"] is None
    assert faults("augmentation: {strength: 2}")[0][1] == "an augmentation needs a name, got none"


def test_an_unknown_name_is_told_where_it_was_said():
    with pytest.raises(UnknownNameError) as told:
        resolved("seed: 1\ngenerator: dcgn", "generator: {width: 3}")
    assert told.value.at == "a:2:1"

    with pytest.raises(WrongKindError, match="'dcgan' is a discriminator and a generator, not a loss") as told:
        resolved("loss:\n  name: dcgan")
    assert told.value.at == "a:2:3"


HOSTILE = ["os:system", "http://example.org/x.py", "../x.py", "__import__", "ganreg.errors:GanregError", "/etc/passwd", "a\0b"]
watching: list[list[str]] = []
sys.addaudithook(lambda event, _: [seen.append(event) for seen in watching] and None)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("key", ["generator", "loss", "optimizer", "dataset", "augmentation", "recipe"])
def test_a_name_in_a_file_never_imports_or_runs_anything(key, name):
    found = registry.current()
    resolve([NO_RECIPE], found)  # what the honest parts need is imported
    events: list[str] = []
    watching.append(events)
    try:
        with pytest.raises(UnknownNameError):
            resolve([NO_RECIPE, Document({key: name}, "a")], found)
    finally:
        watching.remove(events)

    assert not {"import", "exec", "compile", "open", "os.system", "subprocess.Popen", "socket.connect"} & set(events)


# --- repeating a run --------------------------------------------------------------------------------------------------

LAYERS = [
    "{}",
    "generator: {name: mlp, latent-dim: 3}\noptimizer: rmsprop\nepochs: 1.5\nema: {ramp: none}",
    "regularizers: [flat, {name: steep, weight: 0.25, network: generator}]\nloss: {name: hinge, margin: 1e-30}\nema: null",
    "optimizer: {lr: {start: 1e-3, stop: 0, over-images: 1000}}\ndevice: 'cuda:1'\nsample_every: 0",
    "dataset: {name: image-folder, path: 'no'}\nseed: 9007199254740993",
    "generator: foo-net\nloss: foo:twin",
]


def repeated(config):
    return resolve([parse(yamltext.dump(config.plain()))], registry.current())


@pytest.mark.parametrize("text", LAYERS)
@pytest.mark.parametrize("recipe", [False, True])
def test_a_configuration_written_out_repeats_itself(text, recipe):
    config = resolved(text, recipe=recipe)
    again = repeated(config)

    assert again.plain() == config.plain()
    assert again.inferred == []
    assert again.run == config.run
    assert [choice and choice.settings for choice in again.components.values()] == [
        choice and choice.settings for choice in config.components.values()
    ]


def test_a_part_chosen_by_its_distribution_is_found_again_among_its_namesakes(install):
    install("bar")
    with pytest.raises(NameConflictError):
        resolved("loss: twin")
    for name in ("ganreg-foo:twin", "ganreg-bar:twin", "ganreg-bar:hinge"):
        config = resolved(f"loss: {name}")

        assert config.plain()["loss"]["name"] == name
        assert repeated(config).components["loss"].part.factory is config.components["loss"].part.factory
    with pytest.warns(PluginWarning, match="loss 'hinge' is built in"):
        assert resolved("loss: hinge").components["loss"].part.origin.startswith("ganreg ")


@pytest.mark.parametrize("key", ["steps", "epochs"])
@pytest.mark.parametrize("word", ["", " ", "~", "none", "# nothing", None])
def test_every_word_for_none_leaves_the_length_of_a_run_to_us(key, word):
    config = resolve([NO_RECIPE, Document({key: word}, "a")], registry.current())

    assert (config.run.steps, config.run.epochs) == (DEFAULT_STEPS, None)
    assert f"steps: {DEFAULT_STEPS}" in config.inferred


KEYS = [
    *SINGLE,
    "optimizer",
    "regularizer",
    "regularizers",
    "recipe",
    "schema_version",
    "steps",
    "epochs",
    "ema",
    "batch_size",
    "device",
    "x",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 10**20)
    | st.floats()
    | st.sampled_from(["dcgan", "hinge", "flat", "foo-net", "1", "", " ", "none"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "lr", "width", "flat"]), inner, max_size=3)
    ),
    max_leaves=4,
)


@pytest.mark.parametrize("count", EXAMPLES)
def test_any_layers_are_a_configuration_or_one_of_our_errors(count):
    resolutions = []

    def check(layers):
        with contextlib.suppress(UsageError):
            config = resolve([NO_RECIPE, *(Document(layer, "a") for layer in layers)], registry.current())
            assert repeated(config).plain() == config.plain()
            assert (config.run.steps is None) != (config.run.epochs is None)
            resolutions.append(config)

    layers = st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3), max_size=2)
    fuzzed(count, layers, check, known=[[{"steps": ""}], [{"epochs": "~"}]])

    assert resolutions


def test_configurations_do_not_depend_on_the_order_of_plugins_on_disk():
    program = (
        "from ganreg import registry; from ganreg.assembly.config import resolve;print(resolve([], registry.current()).plain())"
    )
    folder = Path(__file__).parents[1] / "plugin_files"
    told = set()
    for order in (("foo", "bar"), ("bar", "foo")):
        paths = [*(str(folder / name) for name in order), str(folder.parents[1])]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
        told.add(done.stdout)

    assert len(told) == 1


def test_a_recipe_that_nobody_asked_for_is_left_out_for_other_data_and_for_another_discriminator():
    known = registry.configure()
    pair, odd = (resolve([Document({"generator": "dcgan", "discriminator": name}, "a")], known) for name in ("dcgan", "patch"))
    own = resolve([Document({"generator": "dcgan"}, "a")], known)
    other = resolve([Document({"generator": "dcgan", "dataset": {"name": "image-folder", "path": "x"}}, "a")], known)
    asked = resolve([Document({"recipe": "dcgan", "dataset": {"name": "image-folder", "path": "x"}}, "a")], known)

    assert (own.recipe, other.recipe, asked.recipe) == ("digits-conditional", None, "dcgan")
    assert (pair.recipe, odd.recipe) == ("digits-conditional", None)


def test_the_recipe_that_comes_along_is_the_plugins_own_also_where_a_built_in_one_has_its_name(plugin, tmp_path):
    recipe = tmp_path / "acme.yaml"
    recipe.write_text("generator: {name: acme, latent_dim: 3}\nsteps: 7\n")
    plugin("acme", ACME.format(name="grid25", path=str(recipe)))

    config = resolved("generator: acme", recipe=True)

    assert config.recipe == "ganreg-acme:grid25"
    assert (config.plain()["steps"], config.plain()["generator"]["latent_dim"]) == (7, 3)


def test_what_a_recipe_that_comes_along_says_of_its_generator_holds_by_whatever_name_this_is_called():
    bare, said = (plain(f"generator: {name}", recipe=True) for name in ("dcgan", "ganreg:dcgan"))

    assert said["generator"] == {**bare["generator"], "name": "ganreg:dcgan"}
    assert said["generator"]["conditioning"] == said["discriminator"]["conditioning"] == "concat"


def test_data_and_a_discriminator_that_a_recipe_leaves_to_the_defaults_may_be_said(plugin, tmp_path):
    recipe = tmp_path / "acme.yaml"
    recipe.write_text("steps: 7\n")
    plugin("acme", ACME.format(name="acme-small", path=str(recipe)))

    steps = [
        plain(f"generator: acme\n{more}", recipe=True)["steps"]
        for more in ("", "dataset: digits", "discriminator: dcgan", "discriminator: mlp")
    ]

    assert steps == [7, 7, 7, DEFAULT_STEPS]


ACME = """
import ganreg
from pathlib import Path
from ganreg.contracts import Component, Recipe

@ganreg.hookimpl
def ganreg_components():
    yield Component("generator", "acme", "ganreg.components.generators.mlp:MLPGenerator", "A network.")

@ganreg.hookimpl
def ganreg_recipes():
    yield Recipe("{name}", Path("{path}"), "Words.", default_for="acme")
"""
