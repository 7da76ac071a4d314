import gc
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import ganreg
from ganreg import registry
from ganreg.components.losses.hinge import Hinge
from ganreg.contracts import KINDS, PLURALS, Component, DataSpec
from ganreg.errors import (
    ContractError,
    NameConflictError,
    PluginError,
    SettingsError,
    UnknownNameError,
    UsageError,
    WrongKindError,
)
from ganreg.plugins import PluginWarning

DIGITS = DataSpec((1, 16, 16), 10, (-1.0, 1.0))

# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_understood_in_singular_and_plural(kind):
    assert registry.as_kind(kind) == registry.as_kind(PLURALS[kind]) == kind


def test_an_unknown_kind_is_refused_with_the_nearest():
    with pytest.raises(
        UsageError, match=r"no kind of component named 'optimiser'. Did you mean 'optimizer'. Known: generators, "
    ) as told:
        registry.as_kind("optimiser")
    assert (told.value.code, told.value.exit_code) == ("GR100", 2)


def test_an_unknown_name_is_refused_with_the_nearest_and_the_known():
    with pytest.raises(UnknownNameError) as told:
        ganreg.create("generator", "dcgn", spec=DIGITS)

    known = ", ".join(record.name for record in ganreg.components("generator"))
    assert told.value.what == f"no generator is named 'dcgn'. Did you mean 'dcgan'? Known: {known}"
    assert (told.value.at, told.value.fix, told.value.exit_code) == ("--generator", "ganreg list generators", 2)
    assert told.value.code == "GR101"


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("loss", "dcgan", "'dcgan' is a discriminator and a generator, not a loss"),
        ("loss", "adam", "'adam' is an optimizer, not a loss"),
        ("optimizer", "hinge", "'hinge' is a loss, not an optimizer"),
    ],
)
def test_a_name_of_another_kind_is_refused_by_what_it_is(kind, name, text):
    with pytest.raises(WrongKindError) as told:
        registry.current().part(kind, name, at="run.yaml:1:1")

    assert (told.value.what, told.value.at, told.value.code) == (text, "run.yaml:1:1", "GR102")


@pytest.mark.parametrize(
    "name", ["os:system", "http://example.org/x.py", "../x.py", "__import__", "ganreg.errors:GanregError", ""]
)
def test_a_path_an_address_or_a_function_is_an_unknown_name(name):
    with pytest.raises(UnknownNameError, match="no loss is named"):
        ganreg.create("loss", name)


def test_every_built_in_part_is_found_and_has_settings():
    found = [registry.current().part(record.kind, record.name) for record in ganreg.components()]

    assert len(found) >= 16
    assert [part.origin for part in found] == [f"ganreg {ganreg.__version__}"] * len(found)
    assert [part.owner for part in found if not callable(part.factory)] == []


# --- two that offer one name ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("foo", "bar"), ("bar", "foo")])
def test_two_distributions_with_one_name_are_both_named_in_either_order(install, order):
    install(*order)
    with pytest.raises(NameConflictError) as told:
        ganreg.create("loss", "twin")

    assert told.value.what == "loss 'twin' is offered by ganreg-bar 2.0 (bar) and ganreg-foo 1.0 (foo)"
    assert told.value.fix == "say 'ganreg-bar:twin' or 'ganreg-foo:twin', or uninstall one"
    assert (told.value.code, told.value.exit_code) == ("GR202", 3)


@pytest.mark.parametrize(("name", "origin"), [("ganreg-bar:twin", "bar"), ("ganreg-foo:twin", "foo"), ("foo:twin", "foo")])
def test_a_distribution_says_which_one_is_meant(install, name, origin):
    install("foo", "bar")

    loss = ganreg.create("loss", name)

    assert loss.origin == origin
    assert registry.made_as(loss)["name"] == name  # the bare name would not find it again


@pytest.mark.parametrize("order", [("foo", "bar"), ("bar", "foo")])
def test_a_bare_name_that_is_built_in_means_the_built_in_with_one_warning(install, order):
    install(*order)
    with pytest.warns(PluginWarning, match=r"'hinge' is built in; the one from ganreg-bar 2\.0 \(bar\) is used as") as told:
        loss = ganreg.create("loss", "hinge")

    assert len(told) == 1
    assert isinstance(loss, Hinge)
    assert ganreg.create("loss", "ganreg-bar:hinge").origin == "bar"
    assert isinstance(ganreg.create("loss", "ganreg:hinge"), Hinge)


def test_a_distribution_that_does_not_offer_the_name_is_refused(install):
    install("foo", "bar")

    with pytest.raises(UnknownNameError, match="no loss is named 'ganreg-bar:lonely'"):
        ganreg.create("loss", "ganreg-bar:lonely")
    with pytest.raises(UnknownNameError, match="no loss is named 'ganreg-absent:hinge'"):
        ganreg.create("loss", "ganreg-absent:hinge")


def test_recipes_follow_the_same_rules(install, plugin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    install("foo")
    source = "import ganreg\nfrom pathlib import Path\nfrom ganreg.contracts import Recipe\n@ganreg.hookimpl\n"
    plugin("x", f"{source}def ganreg_recipes():\n    yield Recipe('foo-net', Path('x.yaml'), '')\n")
    found = registry.current()

    with pytest.raises(NameConflictError, match=r"'foo-net' is offered by ganreg-foo 1\.0 \(foo\) and ganreg-x 1\.0 \(x\)"):
        found.recipe("foo-net")
    with pytest.raises(PluginError, match=r"recipe 'x:foo-net' of ganreg-x 1\.0 \(x\) has no file"):
        found.recipe("x:foo-net")
    (tmp_path / "x.yaml").touch()
    assert found.recipe("x:foo-net").path.name == "x.yaml"
    with pytest.raises(UnknownNameError, match=r"no recipe is named 'foo-nett'. Did you mean 'foo-net'. Known: ") as told:
        found.recipe("foo-nett")
    assert told.value.at == "--recipe"


# --- plugins that failed ----------------------------------------------------------------------------------------------


def test_a_broken_plugin_does_not_stop_what_others_offer(install):
    install("foo", "broken")
    with pytest.warns(PluginWarning, match=r"plugin ganreg-broken 0\.1 \(broken\) is left out"):
        found = registry.configure()

    assert isinstance(found.create("loss", "hinge"), Hinge)
    assert found.part("loss", "lonely").origin == "ganreg-foo 1.0"
    assert "lonely" in [offer.record.name for offer in found.components("loss")]


@pytest.mark.parametrize("name", ["ganreg-broken:anything", "broken:hinge", "quite-unknown"])
def test_a_broken_plugin_is_blamed_when_something_of_it_may_have_been_asked_for(install, name):
    install("broken")
    with pytest.warns(PluginWarning):
        found = registry.configure()

    with pytest.raises(PluginError, match=r"plugin ganreg-broken 0\.1 \(broken\) failed to load: ImportError: no m") as told:
        found.part("loss", name)
    assert (told.value.code, told.value.exit_code, told.value.at) == ("GR201", 3, "ganreg_broken_plugin")


@pytest.mark.parametrize(
    ("name", "error"), [("hinje", UnknownNameError), ("adam", WrongKindError), ("foo:lonly", UnknownNameError)]
)
def test_a_broken_plugin_is_not_blamed_for_a_slip_of_the_keyboard(install, name, error):
    install("broken", "foo")
    with pytest.warns(PluginWarning):
        found = registry.configure()

    with pytest.raises(error):
        found.part("loss", name)


def test_a_blocked_plugin_is_not_blamed(install):
    install("broken")
    found = registry.configure(blocked=["broken"])

    with pytest.raises(UnknownNameError):
        found.part("loss", "quite-unknown")


def test_a_factory_that_is_not_there_is_the_plugins_fault(install):
    install("foo")

    with pytest.raises(PluginError, match=r"loss 'gone' of ganreg-foo 1\.0 \(foo\) failed to load: AttributeError: ") as told:
        ganreg.create("loss", "gone")
    assert (told.value.at, told.value.exit_code) == ("ganreg_foo_parts:no_such_attribute", 3)


def test_a_factory_whose_signature_is_no_configuration_is_the_plugins_fault(plugin):
    source = "import ganreg\nfrom ganreg.contracts import Component\n@ganreg.hookimpl\ndef ganreg_components():\n"
    plugin("x", f"{source}    yield Component('loss', 'open', 'ganreg_x_plugin:f', '')\n\ndef f(**rest): ...\n")

    with pytest.raises(ContractError, match=r"ganreg-x 1\.0 \(x\): the parameter '\*\*rest' of .*:f cannot be a setting"):
        ganreg.create("loss", "open")


def test_a_hook_that_asks_for_components_is_refused_and_harms_no_other(plugin):
    source = "import ganreg\n@ganreg.hookimpl\ndef ganreg_components():\n    ganreg.components()\n    yield\n"
    plugin("x", source)

    with pytest.warns(PluginWarning, match="RuntimeError: components cannot be asked for while plugins are loaded") as told:
        found = ganreg.components("loss")
    assert len(told) == 1
    assert "hinge" in [record.name for record in found]


# --- contracts --------------------------------------------------------------------------------------------------------


def test_a_factory_that_makes_nothing_is_refused_by_the_methods_it_lacks(install):
    install("foo")

    with pytest.raises(ContractError) as told:
        ganreg.create("loss", "empty")
    assert told.value.what == "loss 'empty' of ganreg-foo 1.0 (foo) made a NoneType without discriminator, generator"
    assert (told.value.code, told.value.exit_code) == ("GR203", 3)


def test_a_network_that_is_no_module_is_refused(install):
    install("foo")

    with pytest.raises(ContractError, match="made a object without latent_dim, forward, parameters, state_dict"):
        ganreg.create("generator", "foo-net", spec=DIGITS)


# --- the public functions ---------------------------------------------------------------------------------------------


def test_create_builds_each_kind_from_its_name():
    assert ganreg.create("loss", "hinge", margin=2).margin == 2.0
    assert ganreg.create("losses", "hinge", margin="2e-1").margin == 0.2
    generator = ganreg.create("generator", "mlp", spec=DIGITS, latent_dim=7)
    assert isinstance(generator, nn.Module)
    assert generator(torch.zeros(2, 7)).shape == (2, 1, 16, 16)
    optimizer = ganreg.create("optimizer", "sgd", generator.parameters(), lr=0.5)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_create_refuses_settings_with_every_fault():
    with pytest.raises(SettingsError) as told:
        ganreg.create("loss", "hinge", margin=0, margn=1)

    assert told.value.what == (
        "2 settings are wrong\n  - margin must be greater than 0, got 0\n"
        "  - loss 'hinge' has no setting 'margn'. Did you mean 'margin'? Known: margin"
    )
    assert (told.value.at, told.value.fix) == ("loss 'hinge'", "ganreg show loss hinge")


def test_create_says_what_a_kind_is_given():
    with pytest.raises(TypeError, match="expected spec to be passed for a generator, got 0 values"):
        ganreg.create("generator", "dcgan")
    with pytest.raises(TypeError, match="expected nothing to be passed for a loss, got 1 values"):
        ganreg.create("loss", "hinge", 1)


def test_components_are_listed_by_kind_and_name():
    every = ganreg.components()

    assert all(isinstance(record, Component) for record in every)
    assert [(KINDS.index(record.kind), record.name) for record in every] == sorted(
        (KINDS.index(record.kind), record.name) for record in every
    )
    assert ganreg.components("loss") == ganreg.components("losses") == [record for record in every if record.kind == "loss"]
    with pytest.raises(UsageError):
        ganreg.components("lose")


def test_components_stay_the_package_of_the_built_in_parts():
    import ganreg.components.builtin
    from ganreg.components import builtin

    assert ganreg.components.builtin is builtin
    assert ganreg.components() == registry.components()
    assert "hinge" in [record.name for record in ganreg.components("loss")]


def test_every_public_name_is_there_and_no_other():
    assert {name for name in ganreg.__all__ if getattr(ganreg, name, None) is None} == set()
    assert set(dir(ganreg)) == set(ganreg.__all__)
    with pytest.raises(AttributeError, match="module 'ganreg' has no attribute 'trian_gan'"):
        _ = ganreg.trian_gan


def test_the_registry_is_loaded_once_and_again_when_configured(install):
    first = registry.current()
    assert registry.current() is first

    second = registry.configure(blocked=["builtin"])
    assert registry.current() is second
    assert [record.name for record in ganreg.components("loss")] == []


# --- who was made as what ---------------------------------------------------------------------------------------------


def test_an_object_made_here_is_remembered_by_name_and_settings():
    loss, other = ganreg.create("loss", "hinge", margin=2), ganreg.create("loss", "hinge")

    assert registry.made_as(loss) == {"name": "hinge", "margin": 2.0}
    assert registry.made_as(other) == {"name": "hinge", "margin": 1.0}
    assert registry.made_as(Hinge(margin=2)) is None
    assert registry.made_as(None) is None


def test_a_forgotten_object_leaves_no_memory_behind(install):
    install("foo")
    part = registry.current().part("loss", "lonely")
    made = [part.build({"margin": 1.0}) for _ in range(10)]
    remembered = {id(one) for one in made}
    assert remembered <= registry._made.keys()

    del made
    gc.collect()
    assert not remembered & registry._made.keys()
    assert registry.made_as(SimpleNamespace()) is None


def test_a_data_set_may_be_a_stream_without_length_and_index():
    class Stream:
        spec = None

        def __iter__(self):
            return iter(())

        def fingerprint(self):
            return "x"

    registry._keeps_contract(registry.current().part("dataset", "digits"), Stream())
    del Stream.__iter__
    with pytest.raises(ContractError, match="made a Stream without __len__, __getitem__"):
        registry._keeps_contract(registry.current().part("dataset", "digits"), Stream())
