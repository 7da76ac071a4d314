"""The card says what is known, in the form that the hub reads, and nothing else."""

import re

import pytest
import yaml

from ganreg.assembly.exported import About, Part, Spec
from ganreg.sharing.card import card


def about(**changes: object) -> About:
    made = About(
        ganreg="0.1.0",
        torch="2.13.0",
        generator=Part(name="dcgan", settings={"width": 8}, distribution="ganreg", version="0.1.0"),
        spec=Spec(shape=(1, 16, 16), num_classes=10, value_range=(-1.0, 1.0)),
        latent_dim=100,
        step=8000,
        images=512_000,
        training={"dataset": {"name": "digits"}, "loss": {"name": "bce"}, "batch_size": 64},
    )
    return made.model_copy(update=changes)


def front(text: str) -> dict[str, object]:
    return yaml.safe_load(text.split("---")[1])


def test_the_front_is_what_the_hub_reads():
    assert front(card(about(), "safetensors")) == {
        "library_name": "ganreg",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "ganreg", "dcgan"],
    }
    assert front(card(about(license="mit"), "onnx"))["license"] == "mit"
    assert front(card(about(license="mit"), "onnx"))["tags"] == ["gan", "ganreg", "dcgan", "onnx"]


@pytest.mark.parametrize("changes", [{"conditional": True}, {"spec": Spec(shape=(2,), num_classes=0)}])
def test_what_is_no_unconditional_image_generation_is_not_called_one(changes: dict[str, object]):
    assert "pipeline_tag" not in front(card(about(**changes), "safetensors"))


def test_it_tells_data_steps_and_settings():
    text = card(about(), "safetensors", picture="64 samples of seed 0, the first ones, not chosen.", repository="me/it")

    assert "# dcgan, trained on digits" in text
    assert "![Samples](samples.png)\n\n*64 samples of seed 0, the first ones, not chosen.*" in text
    assert "100 random numbers become images of 1x16x16 (channels, height, width) with values from -1 to 1" in text
    assert "8,000 steps on `digits`, 512,000 images" in text
    assert "ganreg pull me/it\nganreg sample it -n 64" in text
    settings = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])
    assert settings["generator"] == {"name": "dcgan", "width": 8}
    assert settings["loss"] == {"name": "bce"}


def test_no_html_begins_in_a_name():
    told = card(
        about(conditional=True, class_names=("<script>alert(1)</script>", "a|b & c"), label_shares=(0.5, 0.5)), "safetensors"
    )

    assert "0 &lt;script&gt;alert(1)&lt;/script&gt;, 1 a\\|b &amp; c" in told
    assert "<script>" not in told


def test_a_folder_of_pictures_is_told_by_its_last_name():
    assert "trained on photos" in card(about(training={"dataset": {"name": "image-folder", "path": "photos"}}), "onnx")
    assert "# dcgan\n" in card(about(training={}), "onnx")


def test_what_is_not_known_is_left_out_or_said_to_be_unknown():
    text = card(about(), "safetensors")

    assert "## Measured" not in text
    assert "was not measured for these weights" in text
    assert "None was given" in text
    assert "None" not in text.replace("None was given", "")


def test_measures_come_with_their_protocol():
    protocol = {"n_real": 1797, "extractor_hash": "a" * 64, "resolution": [1, 16, 16]}
    row = {
        "metric": "frechet-distance",
        "value": 2.3149,
        "higher_is_better": False,
        "extractor": "digits|cnn",
        "protocol": protocol,
    }
    text = card(about(evaluations=[row]), "safetensors")

    wanted = (
        r"| frechet-distance | 2.315 | lower | extractor digits\|cnn, n_real 1797, extractor_hash aaaaaaaaaaaa, "
        "resolution 1x16x16 |"
    )
    assert wanted in text
    assert "was not measured" not in text


def test_plugins_come_with_the_line_that_installs_them():
    plugin = Part(name="ganreg-moons:fourier", distribution="ganreg-moons", version="1.2")
    text = card(about(generator=plugin, plugins=["ganreg-lion 2.0", "ganreg-moons 1.2"]), "safetensors")

    assert "pip install ganreg\npip install ganreg-moons==1.2\n" in text
    assert "with the plugins ganreg-lion 2.0, ganreg-moons 1.2" in text
    assert "# fourier, trained on digits" in text
    alone = card(about(generator=Part(name="own", plugin_file="mine.py", sha256="f" * 64)), "safetensors")
    assert "single file `mine.py`" in alone
    assert "f" * 64 in alone


def test_noise_that_was_fixed_is_told_where_it_was():
    assert "Noise that the generator draws" in card(about(fixed_noise=True), "onnx")
    assert "Noise that the generator draws" not in card(about(fixed_noise=True), "safetensors")
