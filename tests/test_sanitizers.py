"""The CPU library, built with AddressSanitizer and UndefinedBehaviorSanitizer, runs every operator without a finding.

Two planted bugs, a read one element past the end and a signed overflow, must be found by the same job: it is not blind.
Compiling takes more than a minute of processor time, so all of it is nightly.
"""

import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from ganreg.ops import library, sources

pytestmark = [
    pytest.mark.skipif(shutil.which("g++") is None, reason="no g++"),
    pytest.mark.skipif(platform.system() != "Linux", reason="the sanitizers are preloaded as Linux does it"),
]

SANITIZED = (
    *(flag for flag in sources.FLAGS if flag != "-O2"),
    *("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
)

DRIVER = """
import sys

import torch

from ganreg.ops import library, rules
from ganreg.ops.reference import FORMULAS

torch.ops.load_library(sys.argv[1])
library._statuses["cpu"] = library.KernelStatus("compiled")
operators = torch.ops.ganreg
sizes = [*range(71), 511, 513, 4095, 4096, 4097, 9000]


def logits(size, offset, dtype):  # ends where its memory ends
    return torch.linspace(-90, 90, size + offset).to(dtype)[offset:]


def every_operator(size, offset, dtype, loss):
    x, fake = logits(size, offset, dtype), logits(size, 0, dtype)
    y, w = torch.rand(size).to(dtype), torch.rand(size).to(dtype)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    number = torch.tensor(0.5, dtype=wide)
    for reduction in ("none", "sum", "mean"):
        operators.pointwise_loss(x, loss, 0.9, True, 1.0, number, reduction)
        operators.pointwise_loss(x, loss, 0.0, False, 1.0, None, reduction, 2.0 if loss == "bce" else 1.0, y, w)
        operators.pointwise_loss_(x.clone(), loss, 1.0, False, 1.0, None, reduction, 1.0, y, None)
        operators.paired_loss(x, fake, loss, 1.0, 1.0, None, reduction)
        operators.paired_loss_(x.clone(), fake.clone(), loss, 0.0, 1.0, None, reduction)
    operators.pointwise_loss_pair(x, fake[: size // 2].clone(), loss, 1.0, 0.0, 1.0)
    operators.pointwise_loss_pair(x, fake, loss, 1.0, 0.0, 1.0, number, "sum", 1.0, y, w, None, w)
    operators.pointwise_loss_pair_(x.clone(), fake.clone(), loss, 1.0, 0.0, 1.0)
    for order in (1, 2):
        operators.pointwise_derivative(x, number, order, loss, 1.0) if size != 1 else None
        operators.pointwise_derivative(x, w, order, loss, 1.0, 1.0, y, w)
    strided = torch.stack([x, x], 1)[:, 1]
    operators.pointwise_loss_(strided, loss, 1.0, False, 1.0)


def every_bit_pattern(dtype):
    x = torch.arange(-32768, 32768, dtype=torch.int32)
    x = x.to(torch.int16).view(dtype) if dtype.itemsize == 2 else (x << 16).view(torch.float32).to(dtype)
    for loss in FORMULAS:
        operators.pointwise_loss(x, loss, 1.0, True, 1.0)
        operators.pointwise_derivative(x, torch.ones_like(x), 2, loss, 1.0)


with torch.no_grad(), torch._C._AutoDispatchBelowAutograd():
    for variant in sys.argv[2:]:
        if not operators._use_cpu_variant(library.VARIANTS.index(variant)):
            print("skipped:", variant)
            continue
        for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
            every_bit_pattern(dtype)
            for size in sizes:
                for offset in (0, 1, 3):
                    for loss in FORMULAS if size in (1, 17, 4097) else ("bce", "hinge"):
                        every_operator(size, offset, dtype, loss)
        print("clean:", variant)
"""

PLANTED = {
    "heap-buffer-overflow": ("pointwise_loss_block.h", "    load(from, &x);\n", "    load(from + 1, &x);\n"),
    "signed integer overflow": (
        "lanes_scalar.h",
        "void add(bool mask) { held += mask; }",
        'void add(bool mask) { held += mask; int most = 2147483647; asm volatile("" : "+r"(most)); most += mask;'
        ' asm volatile("" : : "r"(most)); }',
    ),
}


def compile_sanitized(source, folder):
    """A source with the sanitizers, and its variant's flags -> its object file."""
    from torch.utils import cpp_extension

    variant = sources.variant_flags(source)
    paths = [] if variant is not None else [f"-isystem{path}" for path in cpp_extension.include_paths()]
    target = folder / f"{source.stem}.o"
    subprocess.run(["g++", *SANITIZED, *(variant or ()), *paths, "-c", source, "-o", target], check=True)
    return target


def link(objects, target):
    from torch.utils import cpp_extension

    paths = [f"-L{path}" for path in cpp_extension.library_paths()]
    command = ["g++", "-shared", "-fsanitize=address,undefined", *objects, *paths, "-ltorch", "-ltorch_cpu", "-lc10"]
    subprocess.run([*command, "-o", target], check=True)
    return target


STUBS = """
#include "{header}"
namespace ganreg {{
Kernels pointwise_loss_avx2(int, Storage) {{ return {{}}; }}
Kernels pointwise_loss_avx512(int, Storage) {{ return {{}}; }}
}}
"""


def compile_all(paths, folder):
    """Sources -> their object files by stem, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return {path.stem: path for path in pool.map(lambda source: compile_sanitized(source, folder), paths)}


@pytest.fixture(scope="session")
def scalar_objects(tmp_path_factory):
    """The torch face and the scalar variant, which compile in seconds; the others are not there."""
    folder = tmp_path_factory.mktemp("sanitized")
    stubs = folder / "stubs.cpp"
    stubs.write_text(STUBS.format(header=sources.folder() / "cpu" / "pointwise_loss.h"))
    return compile_all(
        [path for path in sources.cpu_sources() if not path.stem.endswith(("_avx2", "_avx512"))] + [stubs], folder
    )


@pytest.fixture(scope="session")
def objects(scalar_objects, tmp_path_factory):
    """Every variant."""
    newer = [path for path in sources.cpu_sources() if path.stem.endswith(("_avx2", "_avx512"))]
    if not newer:
        return scalar_objects
    others = {stem: path for stem, path in scalar_objects.items() if stem != "stubs"}
    return others | compile_all(newer, tmp_path_factory.mktemp("sanitized_variants"))


def drive(library_path, *variants):
    preloaded = [
        subprocess.run(["g++", f"-print-file-name={name}"], check=True, capture_output=True, text=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so", "libstdc++.so")
    ]
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(preloaded),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "OMP_NUM_THREADS": "2",
        "GANREG_KERNEL": "auto",
    }
    command = [sys.executable, "-c", DRIVER, str(library_path), *variants]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)


def assert_clean(done, variants):
    assert done.returncode == 0, done.stderr[-4000:]
    assert "runtime error" not in done.stderr
    assert "AddressSanitizer" not in done.stderr
    told = done.stdout.splitlines()
    assert [line.partition(": ")[2] for line in told] == list(variants)
    assert "clean: scalar" in told


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_no_operator_of_the_scalar_variant_reads_too_far_or_overflows(scalar_objects, tmp_path):
    assert_clean(drive(link(scalar_objects.values(), tmp_path / "sanitized.so"), "scalar"), ["scalar"])


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_no_operator_of_any_variant_reads_too_far_or_overflows(objects, tmp_path):
    assert_clean(drive(link(objects.values(), tmp_path / "sanitized.so"), *library.VARIANTS), library.VARIANTS)


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize("finding", PLANTED)
def test_a_planted_bug_is_found(scalar_objects, tmp_path, finding):
    name, right, wrong = PLANTED[finding]
    scratch = tmp_path / "csrc"
    shutil.copytree(sources.folder(), scratch)
    text = (scratch / "cpu" / name).read_text()
    assert text.count(right) == 1
    (scratch / "cpu" / name).write_text(text.replace(right, wrong))
    planted = compile_sanitized(scratch / "cpu" / "pointwise_loss_scalar.cpp", tmp_path)

    done = drive(link({**scalar_objects, "pointwise_loss_scalar": planted}.values(), tmp_path / "planted.so"), "scalar")

    assert done.returncode != 0
    assert finding in done.stderr
    assert name in done.stderr
