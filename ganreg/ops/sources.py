"""The C++ sources of the operators, and the law by which a file's name decides its compiler flags.

    csrc/cpu/<op>.cpp              torch face: stable ABI headers only
    csrc/cpu/<op>_<variant>.cpp    torch-free variant, compiled with the flags of its suffix
    csrc/cuda/<op>.cu              kernel and torch face, a library of its own

The sources lie at the root of a checkout and inside the package of an installed wheel.  This module imports the
standard library alone, because setup.py reads it where torch may be absent.
"""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path

FLAGS = (
    "-O2",
    "-std=c++17",
    "-fPIC",
    "-ffp-contract=off",  # a fused multiply-add only where it is written out, so that every variant agrees
    "-DTORCH_TARGET_VERSION=0x020b000000000000",  # the stable ABI of torch 2.11, which later ones keep
)
"""Flags of every C++ source."""

VARIANT_FLAGS: dict[str, tuple[str, ...]] = {
    "_scalar": (),
    "_avx2": ("-mavx2", "-mfma", "-mf16c"),
    "_avx512": ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"),
}
"""Further flags of a torch-free variant, by the suffix of its name; all but the first are for x86-64."""

CUDA_FLAGS = (
    "-O2",
    "-std=c++17",
    "--fmad=false",  # as above: a strided and a contiguous kernel must not fuse differently
    "-DUSE_CUDA",  # torch's headers: the current stream
    "-DTORCH_TARGET_VERSION=0x020b000000000000",
)
"""Flags of every CUDA source; none of them gives accuracy away."""

FUNCTOR_FLAGS = ("-I.", "-include", "ganreg_names.h")
"""Further flags of every source that is compiled around a plugin's functor, in the folder that `Functor.put_into` filled."""

_PACKAGE = Path(__file__).resolve().parents[1]


def folder() -> Path:
    """The csrc that belongs to this package: `ganreg/csrc` in a wheel, `csrc` beside the package in a checkout."""
    inside = _PACKAGE / "csrc"
    return inside if inside.is_dir() else _PACKAGE.parent / "csrc"


def variant_flags(source: Path) -> tuple[str, ...] | None:
    """Further flags of a torch-free variant; None for a torch face."""
    for suffix, flags in VARIANT_FLAGS.items():
        if source.stem.endswith(suffix):
            return flags
    return None


def cpu_sources() -> list[Path]:
    """Every source of the CPU library for this machine, in a fixed order."""
    found = sorted((folder() / "cpu").glob("*.cpp"))
    if platform.machine().lower() in ("x86_64", "amd64"):
        return found
    return [path for path in found if variant_flags(path) in (None, ())]


def cuda_sources() -> list[Path]:
    """Every source of the CUDA library, in a fixed order."""
    return sorted((folder() / "cuda").glob("*.cu"))


def digest() -> str:
    """12 hexadecimal digits that change with any source, header or flag: a library built from others is not ours."""
    content = hashlib.sha256(repr((FLAGS, VARIANT_FLAGS, CUDA_FLAGS)).encode())
    for path in sorted(path for path in folder().rglob("*") if path.suffix in {".h", ".cpp", ".cu", ".cuh"}):
        content.update(f"{path.relative_to(folder()).as_posix()}\n".encode())
        content.update(path.read_bytes())
    return content.hexdigest()[:12]


@dataclass(frozen=True)
class Functor:
    """A plugin's own loss: the struct of csrc/pointwise.h's form that a file of it holds."""

    name: str
    struct: str
    text: str

    @property
    def namespace(self) -> str:
        """Of its operators, in torch and in C++; another one for every other text."""
        content = hashlib.sha256("\n".join((self.name, self.struct, self.text)).encode())
        return f"ganreg_{self.name.replace('-', '_')}_{content.hexdigest()[:12]}"

    def put_into(self, folder: Path) -> None:
        """What the sources read instead of our own losses; the namespace keeps two libraries in one process apart."""
        (folder / "ganreg_functor.h").write_text(self.text, encoding="utf-8")
        names = (
            f"#define ganreg {self.namespace}",
            f'#define GANREG_LOSSES(each) each({self.struct}, "{self.name}")',
            '#define GANREG_FUNCTOR "ganreg_functor.h"',
        )
        (folder / "ganreg_names.h").write_text("\n".join(names) + "\n", encoding="utf-8")


def library_name(device: str = "cpu") -> str:
    """The stem of a library's file, for "cpu" or "cuda"."""
    return f"_{device}_{digest()}"
