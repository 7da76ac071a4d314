"""The CUDA sources compile, without a card, for the cards that the toolkit knows, with flags that give no accuracy away."""

import re
import shutil
import subprocess

import pytest
import torch
from torch.utils import cpp_extension

from ganreg.ops import pointwise_loss as operators  # noqa: F401  registers them
from ganreg.ops import sources

SOURCES = sources.cuda_sources()
FILES = sorted(path for path in (sources.folder() / "cuda").rglob("*") if path.is_file())
FORBIDDEN = ("use_fast_math", "-ftz=true", "-prec-div=false", "-prec-sqrt=false", "-ffast-math", "-Ofast", "-funsafe-math")
OLDEST, NEWEST = 75, 120
USUAL = ("90",)
"""The one that gpu tests meet; the rest of the toolkit's in the nightly run."""

each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def nvcc():
    found = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
    if found is None:
        pytest.skip("not compiled: no nvcc")
    return found


def architectures():
    told = subprocess.run([nvcc(), "--list-gpu-arch"], check=True, capture_output=True, text=True).stdout
    numbers = re.findall(r"^compute_(\d+)$", told, re.MULTILINE)
    return [number for number in numbers if OLDEST <= int(number) <= NEWEST]


def command(source, target, architecture):
    """What torch's builder would run."""
    return [
        nvcc(),
        *cpp_extension.COMMON_NVCC_FLAGS,
        f"-gencode=arch=compute_{architecture},code=sm_{architecture}",
        "--compiler-options=-fPIC",
        *sources.CUDA_FLAGS,
        "-Werror=all-warnings",
        *(f"-I{path}" for path in cpp_extension.include_paths()),
        "-c",
        str(source),
        "-o",
        str(target),
    ]


def forbidden(words):
    return [word for word in words if any(flag in word for flag in FORBIDDEN)]


def compiled(source, folder, architecture):
    """Compile -> the object and every command that nvcc ran for it."""
    target = folder / f"{source.stem}_{architecture}.o"
    words = command(source, target, architecture)
    ran = subprocess.run([*words, "--dryrun"], capture_output=True, text=True, check=True).stderr
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target, ran


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.nightly
def test_a_plugin_s_functor_compiles_in_the_place_of_ours(tmp_path):
    header = sources.folder().parent / "examples" / "ganreg-native-loss" / "ganreg_native_loss" / "huber.h"
    sources.Functor("huber", "Huber", header.read_text()).put_into(tmp_path)
    words = [*command(SOURCES[0], tmp_path / "huber.o", "90"), *sources.FUNCTOR_FLAGS]

    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    symbols = subprocess.run(["nm", "-C", tmp_path / "huber.o"], capture_output=True, text=True, check=True).stdout
    assert "Huber" in symbols
    assert "BinaryCrossEntropy" not in symbols


def test_there_is_something_to_compile():
    assert [path.name for path in SOURCES] == ["pointwise_loss.cu"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@each_source
@pytest.mark.parametrize("architecture", USUAL)
def test_a_source_compiles_without_a_warning_and_without_a_flag_that_changes_arithmetic(source, architecture, tmp_path):
    if architecture not in architectures():
        pytest.skip(f"not compiled: this nvcc does not know compute_{architecture}")

    target, ran = compiled(source, tmp_path, architecture)

    assert target.stat().st_size > 0
    assert "cicc" in ran  # the real commands, not only ours
    assert forbidden(ran.split()) == []


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@each_source
def test_a_source_compiles_for_every_card_of_the_toolkit(source, tmp_path):
    for architecture in set(architectures()) - set(USUAL):
        compiled(source, tmp_path, architecture)


def test_the_rule_about_flags_catches_what_it_is_for():
    assert forbidden(["-use_fast_math", "--use_fast_math", "-ftz=true", "-prec-div=false", "--fmad=true", "-O2"]) == [
        "-use_fast_math",
        "--use_fast_math",
        "-ftz=true",
        "-prec-div=false",
    ]
    assert forbidden(sources.CUDA_FLAGS) == []


@each_file
def test_nothing_is_added_atomically_and_no_function_gives_accuracy_away(path):
    text = path.read_text()

    assert re.findall(r"\batomic\w*|\bcuda::atomic\w*|\b__(?:exp|log|log2|log10|pow|sin|cos|tan)f\b|\b__fdividef\b", text) == []
    assert "NONDETERMINISTIC" not in text


@each_file
def test_nothing_waits_for_the_card_or_clears_its_memory(path):
    assert re.findall(r"\bcuda\w*(?:Synchronize|Memcpy|Memset|Malloc|Free)\w*", path.read_text()) == []


@pytest.mark.parametrize("key", ["CPU", "CUDA"])
def test_every_operator_has_a_kernel_of_each_kind(key):
    registered = re.findall(r'm\.impl\("(\w+)"', (sources.folder() / "operators.h").read_text())
    names = [name.rpartition("::")[2] for name in torch._C._dispatch_get_all_op_names() if name.startswith("ganreg::")]
    texts = [path.read_text() for path in sources.folder().rglob(f"pointwise_loss.{'cpp' if key == 'CPU' else 'cu'}")]

    assert sorted(registered) == sorted(name for name in names if not name.startswith("_"))
    assert f"STABLE_TORCH_LIBRARY_IMPL(ganreg, {key}, m)" in texts[0]
    assert f"Operators<ganreg::{key.capitalize() if key == 'CUDA' else 'Cpu'}>::implement(m)" in texts[0]
