"""The extension only: everything else about the package is in pyproject.toml.

torch importable (`pip install --no-build-isolation .`): a library is built ahead of time and the wheel is cp311-abi3.
Otherwise: a pure wheel that carries csrc and compiles it on first use.  `GANREG_NATIVE=1` makes a failed build fatal,
`GANREG_NATIVE=0` skips it.  A source's name decides its compiler flags: see ganreg/ops/sources.py.

A second library, for CUDA, is built where torch has CUDA and nvcc is of the same major version; whether there is a card
does not matter.  TORCH_CUDA_ARCH_LIST says for which cards.  If it fails, the CPU's library stays.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
SOURCES = runpy.run_path(str(ROOT / "ganreg" / "ops" / "sources.py"))  # by its path: importing ganreg.ops needs torch
NATIVE = os.environ.get("GANREG_NATIVE", "auto")


class BuildPy(build_py):
    """Carries csrc inside the package; an editable install finds it at the root."""

    def run(self):
        """Build, then copy."""
        super().run()
        if not self.editable_mode:
            inside = Path(self.build_lib, "ganreg", "csrc")
            shutil.rmtree(inside, ignore_errors=True)
            shutil.copytree(ROOT / "csrc", inside)


class Sdist(sdist):
    """Carries csrc, whether or not an extension is built."""

    def make_release_tree(self, base_dir, files):
        """Add every file of csrc to those that were found."""
        sources = [str(path.relative_to(ROOT)) for path in (ROOT / "csrc").rglob("*") if path.is_file()]
        super().make_release_tree(base_dir, sorted({*files, *sources}))


def without_torch(error):
    """No extension: fatal where it was asked for, else the pure wheel."""
    if NATIVE == "1":
        raise SystemExit(f"GANREG_NATIVE=1 and torch cannot be imported: {error}")
    return {}


def cuda_library():
    """The CUDA library, or why there is none."""
    import torch
    from torch.utils import cpp_extension

    if torch.version.cuda is None:
        return None, "this torch was built without CUDA"
    nvcc = Path(cpp_extension.CUDA_HOME or "", "bin", "nvcc")
    try:
        told = subprocess.run([nvcc, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return None, f"nvcc does not run: {error}"
    release = told.partition("release ")[2].partition(",")[0]
    if release.partition(".")[0] != torch.version.cuda.partition(".")[0]:
        return None, f"nvcc is of CUDA {release or 'unknown'}, and torch of CUDA {torch.version.cuda}"
    return cpp_extension.CUDAExtension(
        f"ganreg.{SOURCES['library_name']('cuda')}",
        [source.relative_to(ROOT).as_posix() for source in SOURCES["cuda_sources"]()],
        extra_compile_args={"cxx": [], "nvcc": list(SOURCES["CUDA_FLAGS"])},
        py_limited_api=True,
    ), ""


def extension():
    """The arguments of `setup` that concern the libraries."""
    if NATIVE == "0":
        return {}
    try:
        from torch.utils.cpp_extension import BuildExtension, CppExtension
    except ImportError as error:
        return without_torch(error)

    class BuildNative(BuildExtension):
        """Flags by suffix; a build that fails leaves a pure wheel."""

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **{**kwargs, "use_ninja": False})  # ninja has one set of flags for all sources

        def run(self):
            """Build; a failure drops the extension unless it was asked for."""
            try:
                super().run()
            except Exception as error:
                if NATIVE == "1":
                    raise
                print(f"ganreg: no library is built ahead of time: {error}", file=sys.stderr)
                self.become_pure()

        def build_extensions(self):
            """Give each source the flags of its suffix."""
            compile_one = self.compiler._compile

            def compile_with_own_flags(target, source, suffix, cc_args, extra_postargs, pp_opts):
                flags = SOURCES["variant_flags"](Path(source)) or ()
                return compile_one(target, source, suffix, cc_args, [*extra_postargs, *flags], pp_opts)

            self.compiler._compile = compile_with_own_flags
            try:
                super().build_extensions()
            except Exception as error:
                if NATIVE == "1" or cuda not in self.extensions:
                    raise
                print(f"ganreg: no CUDA library is built ahead of time: {error}", file=sys.stderr)
                self.extensions = self.distribution.ext_modules = [cpu]
                self.compiler._compile = compile_with_own_flags  # torch has put its own around it
                super().build_extensions()

        def become_pure(self):
            """Drop the extension and the tag; without the second an empty wheel would claim to be abi3."""
            self.extensions = []
            self.distribution.ext_modules = []
            wheel = self.distribution.get_command_obj("bdist_wheel", create=False)
            if wheel is not None:
                wheel.root_is_pure = True
                wheel.py_limited_api = False

    cuda, why_not = cuda_library()
    if cuda is None:
        print(f"ganreg: no CUDA library is built ahead of time: {why_not}", file=sys.stderr)
    cpu = CppExtension(
        f"ganreg.{SOURCES['library_name']()}",
        [source.relative_to(ROOT).as_posix() for source in SOURCES["cpu_sources"]()],
        extra_compile_args=[*SOURCES["FLAGS"], "-g0"],  # Python's own flags ask for debug symbols
        py_limited_api=True,
    )
    return {
        "ext_modules": [cpu, cuda] if cuda else [cpu],
        "cmdclass": {"build_ext": BuildNative},
        "options": {"bdist_wheel": {"py_limited_api": "cp311"}},
    }


arguments = extension()
arguments["cmdclass"] = {"build_py": BuildPy, "sdist": Sdist, **arguments.get("cmdclass", {})}
setup(**arguments)
