"""`ganreg show`: one part with its settings, or a recipe."""

import json

import ganreg
from ganreg import registry, yamltext

from .conftest import Run


def test_a_part_is_shown_with_paper_origin_factory_and_settings(run: Run):
    status, out, err = run("show", "generator", "mlp")
    lines = out.splitlines()

    assert (status, err) == (0, "")
    assert lines[:4] == [
        "generator mlp: Fully connected; for points and small pictures.",
        "paper    https://arxiv.org/abs/1406.2661",
        f"origin   ganreg {ganreg.__version__}",
        "factory  ganreg.components.generators.mlp:MLPGenerator",
    ]
    assert lines[5].split() == ["option", "type", "default", "help"]
    assert lines[6].split(maxsplit=3) == ["--generator.latent-dim", "int", "64", "numbers in one latent vector"]


def test_a_setting_without_a_default_is_required(run: Run):
    out = run("show", "dataset", "image-folder").out

    assert next(line for line in out.splitlines() if line.startswith("--dataset.path")).split()[-8:][0] != "none"
    assert "required" in next(line for line in out.splitlines() if line.startswith("--dataset.path"))


def test_json_has_the_settings_with_the_words_they_take(run: Run):
    told = json.loads(run("show", "datasets", "gaussians", "--json").out)

    assert told["kind"] == "dataset"
    assert told["paper"] == "https://arxiv.org/abs/1705.07761"
    layout = next(one for one in told["settings"] if one["name"] == "layout")
    assert layout["choices"] == ["ring", "grid"]
    assert layout["default"] == "'ring'"


def test_a_recipe_is_its_file(run: Run):
    recipe = registry.current().recipe("dcgan")
    status, out, _ = run("show", "recipe", "dcgan")

    assert status == 0
    assert out.rstrip("\n") == recipe.path.read_text().rstrip("\n")
    assert json.loads(run("show", "recipe", "dcgan", "--json").out)["values"] == yamltext.parse(out).values


def test_an_unknown_part_is_told_the_nearest(run: Run):
    status, out, err = run("show", "generator", "dcgn")

    assert (status, out) == (2, "")
    assert err.startswith("error[GR101]: no generator is named 'dcgn'. Did you mean 'dcgan'?")


def test_a_part_of_another_kind_is_told_which(run: Run):
    status, _, err = run("show", "loss", "dcgan")

    assert status == 2
    assert err.startswith("error[GR102]: 'dcgan' is a discriminator and a generator, not a loss")


def test_a_part_of_a_plugin_is_shown_by_its_distribution(run: Run, install):
    install("foo", "bar")
    assert run("show", "loss", "twin").status == 3
    status, out, _ = run("show", "loss", "ganreg-foo:twin")

    assert status == 0
    assert "origin   ganreg-foo 1.0" in out


def test_a_part_that_does_not_load_says_why(run: Run, install):
    install("foo")
    status, _, err = run("show", "loss", "gone")

    assert status == 3
    assert err.startswith("error[GR201]: loss 'gone' of ganreg-foo 1.0 (foo) failed to load: AttributeError: ")
