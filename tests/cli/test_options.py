"""Options and the layer of the configuration that they make."""

import pytest

from ganreg.cli.options import (
    command_line,
    component_options,
    configuration_options,
    flag_of,
    run_options,
)
from ganreg.engine.settings import RunSettings
from ganreg.errors import UsageError
from ganreg.settings import Setting, describe, model_of

LR = Setting("lr", "float", "0.1", "learning rate", False)


def test_a_flag_is_the_path_with_dashes():
    assert flag_of(("generator", "latent_dim")) == "--generator.latent-dim"
    assert flag_of(("batch_size",)) == "--batch-size"


def test_every_setting_of_a_run_is_one_option():
    flags = [option.opts[0] for option in run_options()]

    assert {flag_of((one.name,)) for one in describe(model_of(RunSettings))} <= set(flags)
    assert len(flags) == len(set(flags))


def test_no_two_options_share_a_name_inside_click():
    alike = ["a-b", "a.b", "a_b", "a:b"]
    options = [option for name in alike for option in component_options("regularizer", [LR], section="x", name=name)]

    assert len({option.name for option in options}) == 4
    assert all(option.name.isidentifier() for option in options)


def test_a_layer_knows_which_option_said_what():
    lr, batch = component_options("optimizer", [LR], section="x")[0], run_options()[2]
    layer = command_line([lr, batch], {lr.name: "1e-3", batch.name: "8"})

    assert layer.values == {"optimizer": {"lr": "1e-3"}, "batch_size": "8"}
    assert layer.place(("optimizer", "lr")) == "--optimizer.lr"
    assert layer.place(("batch_size",)) == "--batch-size"
    assert layer.place(("unsaid",)) == "the command line"


def said(*words: str) -> dict:
    setter = next(option for option in configuration_options() if option.name == "set")
    return command_line([setter], {"set": words}).values


def test_set_reads_its_value_as_yaml_and_its_key_with_dashes():
    assert said("optimizer.lr=1e-4") == {"optimizer": {"lr": 1e-4}}
    assert said("generator.latent-dim=8") == {"generator": {"latent_dim": 8}}
    assert said("loss=hinge") == {"loss": {"name": "hinge"}}
    assert said("loss={name: hinge, margin: 2}") == {"loss": {"name": "hinge", "margin": 2}}
    assert said("ema=null") == {"ema": None}
    assert said("recipe=a=b") == {"recipe": "a=b"}
    assert said("regularizer.path-length.decay-rate=1") == {"regularizer": {"path-length": {"decay_rate": 1}}}


def test_the_later_of_two_sets_wins():
    assert said("keep=1", "keep=2") == {"keep": 2}


@pytest.mark.parametrize("word", ["keep", "=3", "optimizer.=3", ".lr=3", ""])
def test_set_without_a_key_or_a_value_is_refused(word: str):
    with pytest.raises(UsageError, match="expected KEY=VALUE, got"):
        said(word)


def test_two_options_for_one_key_are_refused_unless_they_agree():
    resolution = next(option for option in configuration_options() if "--resolution" in option.opts)
    dotted = component_options("dataset", [Setting("resolution", "int", "16", "", False)], section="x")[0]

    with pytest.raises(UsageError, match=r"--resolution and --dataset\.resolution both say what 'dataset\.resolution' is"):
        command_line([resolution, dotted], {resolution.name: "8", dotted.name: "16"})


def test_a_whole_and_a_part_of_it_contradict_each_other():
    with pytest.raises(UsageError, match="both say what 'ema' is"):
        said("ema=null", "ema.ramp=0.1")
    with pytest.raises(UsageError, match="both say what 'ema' is"):
        said("ema=1", "ema={ramp: 0.1}")
