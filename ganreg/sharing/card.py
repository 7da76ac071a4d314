"""The model card: README.md as a hub shows it, of what is known and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Literal

from ganreg import yamltext
from ganreg.assembly.exported import About

Format = Literal["safetensors", "torch-export", "onnx"]

MOST_NAMED = 20
"""Classes that a card names."""

ONNX_PROGRAM = """import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("generator.onnx")
inputs = {{"z": np.random.default_rng(0).standard_normal((16, {latent_dim}), dtype=np.float32){labels}}}
samples = session.run(["samples"], inputs)[0]  # {shape}"""

TORCH_PROGRAM = """import torch

generator = torch.export.load("generator.pt2").module()
samples = generator(torch.randn(16, {latent_dim}){labels})  # {shape}"""

GANREG_PROGRAM = """import torch
import ganreg

generator = ganreg.load_generator("{place}")
samples = generator(torch.randn(16, generator.latent_dim){labels})  # {shape}"""


def card(about: About, form: Format, *, picture: str = "", repository: str = "") -> str:
    """README.md of an export; `picture` says how the samples beside it were made, empty where there are none."""
    parts = [
        _front(about, form),
        f"# {_title(about)}",
        _picture(picture),
        _what(about, form),
        "## Use it",
        _use(about, form, repository),
    ]
    parts += [
        "## Training",
        _training(about),
        *_measured(about),
        "## Limits",
        _limits(about, form),
        "## License",
        _license(about),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front(about: About, form: Format) -> str:
    """What the hub reads.  A license is a decision of whoever publishes: without one the key is not there."""
    told: dict[str, Any] = {"license": about.license} if about.license else {}
    told["library_name"] = "ganreg"
    if len(about.spec.shape) == 3 and not about.conditional:
        told["pipeline_tag"] = "unconditional-image-generation"
    told["tags"] = ["gan", "ganreg", _bare(about), *(["onnx"] if form == "onnx" else [])]
    return f"---\n{yamltext.dump(told).strip()}\n---"


def _title(about: About) -> str:
    data = _data(about)
    return f"{_bare(about)}, trained on {data}" if data else _bare(about)


def _data(about: About) -> str:
    """The data set: its name, or the last name of the folder or file that it was read from."""
    told = about.training.get("dataset")
    if not isinstance(told, dict):
        return str(told) if told else ""
    return str(told.get("path") or told.get("name", ""))


def _picture(how: str) -> str:
    return f"![Samples](samples.png)\n\n*{how}*" if how else ""


def _what(about: About, form: Format) -> str:
    spec = about.spec
    shape = "x".join(map(str, spec.shape))
    what = f"images of {shape} (channels, height, width)" if len(spec.shape) == 3 else f"samples of shape {shape}"
    within = f" with values from {spec.value_range[0]:g} to {spec.value_range[1]:g}" if spec.value_range else ""
    told = f" It is told the class, one of {spec.num_classes}{_names(about)}." if about.conditional else ""
    file = {"safetensors": "weights", "torch-export": "torch-export program", "onnx": "ONNX graph"}[form]
    return (
        f"The generator of a GAN, as {file}: {about.latent_dim} random numbers become {what}{within}.{told} It is the "
        f"generator `{_bare(about)}` of {_origin(about)}, "
        + ("with weights averaged over training." if about.weights == "averaged" else "with the last weights.")
    )


def _names(about: About) -> str:
    """The first classes by number and name."""
    named = [f"{number} {_cell(name)}" for number, name in enumerate(about.class_names[:MOST_NAMED])]
    more = ", …; config.json names them all" if len(about.class_names) > MOST_NAMED else ""
    return f" ({', '.join(named)}{more})" if named else ""


def _use(about: About, form: Format, repository: str) -> str:
    shape = f"[16, {', '.join(map(str, about.spec.shape))}]"
    if form == "safetensors":
        labels = f", torch.arange(16) % {about.spec.num_classes}" if about.conditional else ""
        place = repository.rpartition("/")[2] if repository else "."
        lines = ["pip install ganreg", *([f"pip install {line}"] if (line := _plugin(about)) else [])]
        lines += [f"ganreg pull {repository}"] if repository else []
        lines += [f"ganreg sample {place} -n 64"]
        by_hand = (
            f"\n\nThe generator is of the single file `{about.generator.plugin_file}`, a plugin that is not in this folder: "
            f"get it from its author (sha256 `{about.generator.sha256}`), read it, and add it with `--plugin`."
            if about.generator.plugin_file
            else ""
        )
        return (
            _fenced("", "\n".join(lines))
            + by_hand
            + "\n\n"
            + _fenced("python", GANREG_PROGRAM.format(place=place, labels=labels, shape=shape))
        )
    if form == "onnx":
        labels = f', "labels": np.arange(16) % {about.spec.num_classes}' if about.conditional else ""
        return _fenced("python", ONNX_PROGRAM.format(latent_dim=about.latent_dim, labels=labels, shape=shape))
    labels = f", torch.arange(16) % {about.spec.num_classes}" if about.conditional else ""
    return _fenced("python", TORCH_PROGRAM.format(latent_dim=about.latent_dim, labels=labels, shape=shape))


def _training(about: About) -> str:
    data = _data(about)
    on = f" on `{data}`" if data else ""
    with_ = f", with the plugins {', '.join(about.plugins)}" if about.plugins else ""
    first = f"{about.step:,} steps{on}, {about.images:,} images shown to the discriminator{with_}."
    told = {"generator": {"name": about.generator.name, **about.generator.settings}, **about.training}
    return f"{first}\n\n{_fenced('yaml', yamltext.dump(told).strip())}"


def _measured(about: About) -> Sequence[str]:
    if not about.evaluations:
        return ()
    rows = ["| metric | value | better | protocol |", "|---|---|---|---|"]
    for row in about.evaluations:
        protocol: Any = row.get("protocol")
        protocol = protocol if isinstance(protocol, dict) else {}
        told = ", ".join(f"{key} {_short(value)}" for key, value in {"extractor": row.get("extractor"), **protocol}.items())
        higher = row.get("higher_is_better")
        better = ("higher" if higher else "lower") if isinstance(higher, bool) else ""
        rows.append(f"| {_cell(row.get('metric'))} | {row['value']:.4g} | {better} | {_cell(told)} |")
    return ("## Measured", "\n".join(rows) + "\n\nNumbers of unlike protocols say nothing about each other.")


def _limits(about: About, form: Format) -> str:
    lines = ["Whether samples repeat training data is not known, unless a measure above says so."]
    if not about.evaluations:
        lines.insert(0, "How good the samples are was not measured for these weights.")
    if len(about.spec.shape) == 3:
        lines.append(f"Images have {about.spec.shape[1]}x{about.spec.shape[2]} pixels, no other size.")
    if about.fixed_noise and form != "safetensors":
        lines.append("Noise that the generator draws inside was drawn once: it is the same for every sample.")
    return "\n".join(f"* {line}" for line in lines)


def _license(about: About) -> str:
    if about.license:
        return f"{about.license}, as whoever published it says."
    return (
        "None was given. Whoever publishes this decides: `ganreg export RUN --license ID`, an identifier such as `cc-by-4.0`."
    )


def _bare(about: About) -> str:
    return about.generator.name.rpartition(":")[2]


def _origin(about: About) -> str:
    part = about.generator
    return f"{part.distribution} {part.version}" if part.distribution else f"the plugin file {part.plugin_file}"


def _plugin(about: About) -> str:
    part = about.generator
    return f"{part.distribution}=={part.version}" if part.distribution not in ("", "ganreg") else ""


def _short(value: Any) -> str:
    """A digest by its beginning, a shape with crosses."""
    if isinstance(value, list):
        return "x".join(map(str, value))
    return str(value)[:12] if isinstance(value, str) and len(value) == 64 else str(value)


def _cell(text: Any) -> str:
    """One cell of a table: no line and no cell ends in it, and no HTML begins."""
    return " ".join(escape(str(text), quote=False).replace("|", "\\|").split())


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"
