"""The house's laws.  Each check is a function of what it checks, so that a test can hand it a broken house and see it fail."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

import ganreg
from ganreg import errors, hookspecs
from ganreg.components import builtin

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ganreg"
TESTS = ROOT / "tests"

FLOORS = {
    "errors": 0,
    "ambient": 1,
    "contracts": 1,
    "extras": 1,
    "yamltext": 1,
    "hookspecs": 2,
    "pictures": 2,
    "processor": 2,
    "settings": 2,
    "statistics": 2,
    "nn": 3,
    "ops": 3,
    "plugins": 3,
    "components": 4,
    "recipes": 4,
    "engine": 5,
    "registry": 5,
    "assembly": 6,
    "portable": 6,
    "bench": 7,
    "data": 7,
    "sharing": 7,
    "report": 7,
    "testing": 7,
    "cli": 8,
    "__main__": 9,
    "pytest_plugin": 9,
    "__init__": 10,
}
"""What may be imported from where: from lower floors, or from one's own package."""


# --- floors -----------------------------------------------------------------------------------------------------------


def imports(source: str) -> set[str]:
    """Modules of ganreg that a file imports when it runs, at its top or inside a function; not those for type checkers."""
    tree = ast.parse(source)
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and "not" not in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "ganreg" else {node.module}
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
            found |= set(re.findall(r"'(ganreg[\w.]*)", ast.unparse(node.args[0])))
    return {name for name in found if name.split(".")[0] == "ganreg"}


def room(module: str) -> str:
    """`ganreg.components.losses.bce` -> `components`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FLOORS else "__init__"


def broken_floors(files: Mapping[str, str]) -> list[str]:
    """Imports that go up or sideways; kinds of components count as rooms of their own."""
    broken = []
    for module, source in files.items():
        here = room(module)
        for name in imports(source):
            there = room(name)
            if here == there and (here != "components" or module.split(".")[2] == name.split(".")[2]):
                continue
            if name == "ganreg.__version__" or FLOORS[there] < FLOORS[here]:
                continue
            broken.append(f"{module} (floor {FLOORS[here]}) imports {name} (floor {FLOORS[there]})")
    return broken


def package_files() -> dict[str, str]:
    found = {}
    ours = (path for path in sorted(PACKAGE.rglob("*.py")) if "templates" not in path.parts)
    for path in ours:
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)
        found[name] = path.read_text(encoding="utf-8")
    return found


def test_nothing_imports_up_or_sideways():
    assert broken_floors(package_files()) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ganreg.registry", "from ganreg.engine import loop"),
        ("ganreg.engine.step", "import ganreg.registry"),
        ("ganreg.engine.step", "from ganreg import ops"),
        ("ganreg.engine.step", "def f():\n    from ganreg.assembly.launch import launch"),
        ("ganreg.engine.step", "importlib.import_module('ganreg.cli')"),
        ("ganreg.components.losses.bce", "from ganreg.components.datasets import digits"),
        ("ganreg.contracts", "from ganreg.settings import validate"),
        ("ganreg.nn.ema", "from ganreg.ops.library import kernel_status"),
    ],
)
def test_the_law_of_floors_sees_a_broken_floor(module: str, source: str):
    broken = broken_floors({module: source})

    if "ops" in source and module.startswith("ganreg.engine"):
        assert uses_kernels({module: source})
    else:
        assert len(broken) == 1


def uses_kernels(files: Mapping[str, str]) -> list[str]:
    """The engine reaches a kernel as a loss, never by import."""
    return [m for m, source in files.items() if room(m) == "engine" and any(room(name) == "ops" for name in imports(source))]


def test_the_engine_imports_no_kernel():
    assert uses_kernels(package_files()) == []


def names_a_part(files: Mapping[str, str]) -> list[str]:
    """Files of the engine that import a component."""
    return [m for m, text in files.items() if room(m) == "engine" and any(room(name) == "components" for name in imports(text))]


def test_the_engine_knows_no_part_by_name():
    assert names_a_part(package_files()) == []
    assert names_a_part({"ganreg.engine.step": "from ganreg.components.losses.bce import BCE"})


def host_reads(source: str) -> list[str]:
    """Calls that would wait for the device, print, or ask which device it is."""
    waiting = {"item", "tolist", "cpu", "numpy", "print", "float", "int", "bool"}
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "") for call in calls]
    return [name for name in named if name in waiting] + re.findall(r"device\.type|is_cuda", source)


@pytest.mark.parametrize("file", ["step.py", "loop.py", "phases.py"])
def test_the_step_reads_nothing_back_and_asks_for_no_device(file: str):
    assert host_reads((PACKAGE / "engine" / file).read_text(encoding="utf-8")) == []


def test_the_law_of_host_reads_sees_one():
    assert host_reads("x = loss.item()\nprint(x)\nif device.type == 'cuda': pass") == ["item", "print", "device.type"]


# --- parts ------------------------------------------------------------------------------------------------------------


def unfit_parts(components: Iterable[ganreg.Component], tests: Path) -> list[str]:
    """Parts without a file of their name, a mirrored test, or a docstring that names their paper."""
    wrong = []
    for part in components:
        module, _, _ = part.factory.partition(":")
        relative = Path(*module.split(".")[1:])
        stem = part.name.replace("-", "_")
        if relative.name != stem:
            wrong.append(f"{part.kind} {part.name}: in {relative}, not in {stem}.py")
        test = tests / relative.parent / f"test_{stem}.py"
        if not test.is_file() or "def test_" not in test.read_text(encoding="utf-8"):
            wrong.append(f"{part.kind} {part.name}: no test {relative.parent}/test_{stem}.py")
        path = PACKAGE / relative.with_suffix(".py")
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path.is_file() else None
        if not docstring or (part.paper and part.paper not in docstring):
            wrong.append(f"{part.kind} {part.name}: no docstring with {part.paper or 'words'}")
    return wrong


def test_every_part_has_its_file_its_test_and_its_paper():
    assert unfit_parts(builtin.ganreg_components(), TESTS) == []


def test_the_law_of_parts_sees_what_is_missing(tmp_path: Path):
    hinge = ganreg.Component("loss", "hinge", "ganreg.components.losses.bce:BCE", "Hinge.", paper="9999.99999")

    assert len(unfit_parts([hinge], tmp_path)) == 3


def test_every_folder_of_parts_holds_only_parts_that_are_offered():
    offered = {part.factory.partition(":")[0] for part in builtin.ganreg_components()}
    helpers = {  # what the parts of one kind share
        "ganreg.components.datasets.archive",
        "ganreg.components.datasets.arrays",
        "ganreg.components.datasets.files",
        "ganreg.components.datasets.fingerprint",
        "ganreg.components.datasets.labels",
        "ganreg.components.datasets.picture_set",
        "ganreg.components.datasets.pictures",
        "ganreg.components.extractors.fidelity",
        "ganreg.components.extractors.fingerprint",
        "ganreg.components.extractors.resize",
        "ganreg.components.losses.softplus",
        "ganreg.components.metrics.neighbours",
        "ganreg.components.optimizers.common",
        "ganreg.components.regularizers.input_gradient",
    }
    files = {m for m in package_files() if re.fullmatch(r"ganreg\.components\.\w+\.\w+", m)}

    assert files - helpers == offered


def test_every_recipe_has_its_file():
    assert [r.name for r in builtin.ganreg_recipes() if not r.path.is_file()] == []
    assert {r.path.name for r in builtin.ganreg_recipes()} == {p.name for p in (PACKAGE / "recipes").glob("*.yaml")}


# --- hooks and errors -------------------------------------------------------------------------------------------------


def test_every_hook_has_an_example_and_a_test():
    tests = "".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    for name, hook in vars(hookspecs).items():
        if name.startswith("ganreg_"):
            assert "Example::" in (hook.__doc__ or ""), name
            assert f"def {name}" in tests or f'"{name}"' in tests, name


def every_error() -> list[type[errors.GanregError]]:
    found: list[type[errors.GanregError]] = [errors.GanregError]
    for one in found:
        found += [sub for sub in one.__subclasses__() if sub.__module__ == errors.__name__]
    return found


def texts_of(source: str) -> str:
    """The string constants of a file, without its comments and docstrings."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings)
    return "\n".join(node.value for node in found if isinstance(node.value, str))


def untested_codes(codes: Iterable[str], tests: str) -> list[str]:
    """Codes that no test expects."""
    return [code for code in codes if code not in tests]


def test_every_error_code_is_its_own_and_raised_by_a_test():
    codes = [error.code for error in every_error()]
    tests = "\n".join(
        texts_of(path.read_text(encoding="utf-8")) for path in TESTS.rglob("test_*.py") if path.name != "test_laws.py"
    )

    assert len(set(codes)) == len(codes)
    assert untested_codes(codes, tests) == []
    assert untested_codes(["GR777"], texts_of('"""GR777"""  # GR777')) == ["GR777"]


def test_every_error_code_is_documented():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")

    for error in every_error():
        assert f"| {error.code} | {error.exit_code} |" in page, error.__name__


def rows_without_a_test(page: str, tests: Path) -> list[str]:
    """Rows of the table of faults whose last cell names no test that is there."""
    missing = []
    for file, name in re.findall(r"\| ([\w/]+\.py)::(\w+) \|$", page, flags=re.MULTILINE):
        path = tests / file
        if not path.is_file() or f"def {name}(" not in path.read_text(encoding="utf-8"):
            missing.append(f"{file}::{name}")
    return missing


def test_every_row_of_the_table_of_faults_has_its_test():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")

    assert page.count(".py::") > 25
    assert rows_without_a_test(page, TESTS) == []
    assert rows_without_a_test("| a | b | engine/test_gate.py::test_nothing |", TESTS) == ["engine/test_gate.py::test_nothing"]


def half_told(source: str) -> list[str]:
    """Errors of ours that are raised without saying where, or what to do."""
    ours = {error.__name__ for error in every_error()}
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    made = ((call, getattr(call.func, "id", "")) for call in calls)
    return [
        f"{name} in line {call.lineno}"
        for call, name in made
        if name in ours and {"at", "fix"} - {k.arg for k in call.keywords}
    ]


def test_every_error_says_where_and_what_to_do():
    assert {module: told for module, source in package_files().items() if (told := half_told(source))} == {}
    assert half_told("raise DataError('no folder', at='x')") == ["DataError in line 1"]


# --- start-up ---------------------------------------------------------------------------------------------------------


def imported_by(code: str, module: str) -> bool:
    """Whether running this leaves the module imported."""
    program = f"import sys\ntry:\n    {code}\nexcept SystemExit: pass\nsys.exit(17 if {module!r} in sys.modules else 0)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment, check=False, timeout=60)
    assert ran.returncode in (0, 17), ran.stderr.decode()
    return ran.returncode == 17


QUICK = {
    "import": "import ganreg",
    "the list of components": "import ganreg; ganreg.components()",
    **{
        f"ganreg {' '.join(words)}": f"from ganreg.cli import main; main({words!r})"
        for words in (
            ["--help"],
            ["--version"],
            ["list"],
            ["list", "losses"],
            ["plugins", "list"],
            ["train", "--help"],
            ["bench", "--help"],
            ["bench", "loss", "--help"],
        )
    },
}


@pytest.mark.parametrize("what", QUICK)
def test_a_quick_answer_imports_no_torch(what: str):
    assert not imported_by(QUICK[what], "torch")


def test_the_law_of_start_up_sees_torch():
    assert imported_by("import torch", "torch")


# --- the public face --------------------------------------------------------------------------------------------------


def test_every_public_name_is_there_and_documented():
    for name in ganreg.__all__:
        assert getattr(ganreg, name) is not None
    assert set(ganreg.__all__) == set(dir(ganreg))
    with pytest.raises(AttributeError, match="no attribute 'train_gna'"):
        _ = ganreg.train_gna


def test_the_version_stands_once():
    assert f'__version__ = "{ganreg.__version__}"' in (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    assert 'version = { attr = "ganreg.__version__" }' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_map_of_the_house_names_every_room_and_its_floor():
    page = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
    told = {
        name: int(floor)
        for names, floor in re.findall(r"^\| (`[^|]*`) \| (\d) \|", page, flags=re.MULTILINE)
        for name in re.findall(r"ganreg/(\w+)", names)
    }

    assert told == {room: floor for room, floor in FLOORS.items() if not room.startswith("__")}
    assert {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()} == set(FLOORS)
