from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from ganreg.contracts import Schedule
from ganreg.errors import ContractError, SettingsError
from ganreg.settings import RESERVED, describe, model_of, plain, validate
from tests.fuzzing import EXAMPLES, fuzzed

if TYPE_CHECKING:
    from decimal import Decimal

OWNER = "loss 'toy'"


def toy(
    spec: Any,
    *,
    width: Annotated[int, Field(ge=1, le=512, description="channels")] = 64,
    rate: Annotated[float, Field(gt=0)] | Schedule = 2e-4,
    betas: tuple[float, float] = (0.5, 0.999),
    sides: tuple[int, ...] = (8,),
    tags: tuple[str, ...] = (),
    mode: Literal["ring", "grid", "line"] = "ring",
    channels: Literal[1, 3] = 3,
    every: Annotated[int, Field(ge=0)] | None = None,
    flips: bool = False,
    label: str = "x",
    folder: Path | None = None,
) -> None:
    """Nothing to build."""


def check(factory: Any = toy, given: int = 1, **values: Any) -> dict[str, Any]:
    checked = validate(model_of(factory, given), values, owner=OWNER)
    return {key: checked[key] for key in values if key in checked} or checked


def fault(factory: Any = toy, given: int = 1, **values: Any) -> str:
    with pytest.raises(SettingsError) as told:
        check(factory, given, **values)
    return told.value.what


# --- from a signature to a model --------------------------------------------------------------------------------------


def test_the_defaults_of_a_function_are_its_settings_and_what_is_given_is_not():
    assert check() == {
        "width": 64,
        "rate": 2e-4,
        "betas": (0.5, 0.999),
        "sides": (8,),
        "tags": (),
        "mode": "ring",
        "channels": 3,
        "every": None,
        "flips": False,
        "label": "x",
        "folder": None,
    }


class Plain:
    def __init__(self, spec, *, width: int = 4, depth=2, anything=None):
        pass


def test_a_class_and_parameters_without_a_type_take_theirs_from_the_default():
    assert check(Plain) == {"width": 4, "depth": 2, "anything": None}
    assert check(Plain, anything=[1, "x"]) == {"anything": [1, "x"]}
    assert fault(Plain, depth="two") == "depth must be an integer, got 'two'"


@dataclass(frozen=True, kw_only=True)
class Base:
    weight: Annotated[float, Field(ge=0)] = 1.0
    names: list[str] = field(default_factory=lambda: ["a"])


@dataclass(frozen=True, kw_only=True)
class Derived(Base):
    interval: int = 16


def test_a_dataclass_gives_inherited_fields_and_fresh_defaults():
    first, second = check(Derived, 0), check(Derived, 0)

    assert first == {"weight": 1.0, "names": ["a"], "interval": 16}
    assert first["names"] is not second["names"]
    assert fault(Derived, 0, weight=-1) == "weight must be greater than or equal to 0, got -1"


def test_a_required_setting_that_is_missing_is_told():
    def needs(*, path: str, size: int = 1) -> None: ...

    assert fault(needs, 0, size=2) == "path is missing"


def several(*, a: int = 1, **rest: Any) -> None: ...
def unnamed(a: int = 1, *rest: Any) -> None: ...
def unspeakable(a: int = 1, /) -> None: ...
def named_name(*, name: str = "") -> None: ...
def named_json(*, json: str = "") -> None: ...
def named_model(*, model_size: int = 1) -> None: ...
def named_private(*, _size: int = 1) -> None: ...
def unresolved(*, a: Decimal | None = None) -> None: ...


@pytest.mark.parametrize(
    ("factory", "text"),
    [
        (several, r"the parameter '\*\*rest: .*' of .*:several cannot be a setting"),
        (unnamed, r"the parameter '\*rest: .*' of .*:unnamed cannot be a setting"),
        (unspeakable, "the parameter 'a: 'int' = 1' of .*:unspeakable cannot be a setting"),
        (named_name, "a setting of .*:named_name cannot be named 'name'"),
        (named_json, "cannot be named 'json'"),
        (named_model, "cannot be named 'model_size'"),
        (named_private, "cannot be named '_size'"),
        (unresolved, r"the type 'Decimal \| None' of the setting 'a' cannot be resolved: name 'Decimal' is not defined"),
        (42, "a factory must be a callable with a signature"),
    ],
)
def test_a_signature_that_is_no_configuration_is_refused(factory, text):
    with pytest.raises(ContractError, match=text) as told:
        model_of(factory)

    assert told.value.exit_code == 3


def test_every_public_attribute_of_pydantics_models_is_a_reserved_name():
    assert {name for name in dir(BaseModel) if not name.startswith(("_", "model_"))} <= RESERVED


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "given", "value"),
    [
        ("width", "128", 128),
        ("width", 128.0, 128),
        ("rate", "2e-4", 2e-4),
        ("rate", 1, 1.0),
        ("betas", "0,0.9", (0.0, 0.9)),
        ("betas", "[0, 0.9]", (0.0, 0.9)),
        ("betas", [0, 0.9], (0.0, 0.9)),
        ("sides", "8", (8,)),
        ("sides", 8, (8,)),
        ("sides", "8, 16", (8, 16)),
        ("tags", "a,1", ("a", "1")),
        ("tags", "[a, b]", ("a", "b")),
        ("mode", "grid", "grid"),
        ("channels", "1", 1),
        ("every", "none", None),
        ("every", "null", None),
        ("every", None, None),
        ("every", "0", 0),
        ("flips", "true", True),
        ("flips", False, False),
        ("label", "1e-4", "1e-4"),
        ("label", "none", "none"),
        ("folder", "123", Path("123")),
        ("folder", "~", None),
    ],
)
def test_a_value_is_read_as_its_type_means_it(key, given, value):
    read = check(**{key: given})[key]

    assert read == value
    assert type(read) is type(value)


def test_a_schedule_is_given_as_one_as_a_mapping_or_as_text():
    schedule = Schedule(start=1.0, stop=0.5, shape="linear", over_images=100)

    for said in (
        schedule,
        {"start": 1, "stop": 0.5, "shape": "linear", "over_images": 100},
        {"start": "1", "stop": "5e-1", "shape": "linear", "over-images": "100"},
        "{start: 1, stop: 0.5, shape: linear, over_images: 100}",
    ):
        assert check(rate=said) == {"rate": schedule}


def test_a_number_beside_a_tuple_of_numbers_stays_a_number():
    def either(*, size: float | tuple[float, ...] = 1.0) -> None: ...

    assert check(either, 0, size="0.5") == {"size": 0.5}
    assert check(either, 0, size=0.5) == {"size": 0.5}
    assert check(either, 0, size="1,2") == {"size": (1.0, 2.0)}


@pytest.mark.parametrize(
    ("key", "given", "text"),
    [
        ("width", "64x", "width must be an integer, got '64x'"),
        ("width", 1.5, "width must be an integer, got 1.5"),
        ("width", 0, "width must be greater than or equal to 1, got 0"),
        ("width", -1, "width must be greater than or equal to 1, got -1"),
        ("width", 1e9, "width must be less than or equal to 512, got 1000000000.0"),
        ("width", "9" * 5000, f"width must be an integer, got '{'9' * 76}…"),
        ("width", math.nan, "width must be a finite number, got nan"),
        ("width", True, "width must be a number and not a truth value, got True"),
        ("width", "true", "width must be a number and not a truth value, got 'true'"),
        ("width", None, "width must be an integer, got none"),
        ("width", [1], "width must be an integer, got [1]"),
        ("width", {"a": 1}, "width must be an integer, got {'a': 1}"),
        ("rate", 0, "rate must be greater than 0, got 0"),
        ("rate", "fast", "rate must be a number, got 'fast'"),
        ("rate", math.nan, "rate must be a finite number, got nan"),
        ("rate", math.inf, "rate must be a finite number, got inf"),
        ("rate", "nan", "rate must be a finite number, got 'nan'"),
        ("rate", ".inf", "rate must be a finite number, got inf"),
        ("rate", False, "rate must be a number and not a truth value, got False"),
        ("rate", {"stop": 0, "over_images": 5}, "rate.start is missing"),
        ("rate", {"start": 1, "stop": 0}, "rate: over_images must be at least 1, got 0"),
        ("rate", {"start": 1, "over_images": 5}, "rate: a cosine schedule needs stop"),
        ("rate", {"start": 1, "stop": "x", "over_images": 5}, "rate.stop must be a number, got 'x'"),
        ("rate", {"start": 1, "stop": math.nan, "over_images": 5}, "rate.stop must be a finite number, got nan"),
        (
            "rate",
            {"start": 1, "stop": 0, "over_image": 5},
            "rate has no setting 'over_image'. Did you mean 'over_images'? "
            "Known: start, stop, shape, over_images, warmup_images",
        ),
        ("rate", {"start": 1, "stop": 0, "over_images": 0}, "rate: over_images must be at least 1, got 0"),
        ("betas", "a,0", "betas must be a number, got 'a'"),
        ("betas", [0.5], "betas.1 is missing"),
        ("betas", [1, 2, 3], "betas must have at most 2 items, got [1, 2, 3]"),
        ("betas", [0, True], "betas must be a number and not a truth value, got [0, True]"),
        ("mode", "star", "mode must be 'ring', 'grid' or 'line', got 'star'"),
        ("mode", "gird", "mode must be 'ring', 'grid' or 'line', got 'gird'. Did you mean 'grid'?"),
        ("channels", 2, "channels must be 1 or 3, got 2"),
        ("channels", True, "channels must be a number and not a truth value, got True"),
        ("flips", "perhaps", "flips must be true or false, got 'perhaps'"),
        ("label", 5, "label must be a string, got 5"),
        ("folder", 5, "folder must be a path, got 5"),
        ("widht", 1, f"{OWNER} has no setting 'widht'. Did you mean 'width'? Known: {', '.join(check())}"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_was_given_and_what_may_be(key, given, text):
    assert fault(**{key: given}) == text


def test_a_truth_value_inside_a_schedule_is_no_number():
    text = fault(rate={"start": True, "stop": 0, "over_images": 5})

    assert "start must be a number and not a truth value" in text


def test_all_faults_are_told_at_once_each_at_its_place():
    with pytest.raises(SettingsError) as told:
        validate(
            model_of(toy, 1),
            {"width": 0, "betas": "x", "lable": "y", "mode": "ring"},
            owner=OWNER,
            place=lambda path: f"run.yaml:{path[0]}",
        )

    assert [place for place, _ in told.value.faults] == ["run.yaml:width", "run.yaml:betas", "run.yaml:lable"]
    assert str(told.value).splitlines() == [
        "error[GR103]: 3 settings are wrong",
        "  - width must be greater than or equal to 1, got 0",
        "  - betas must be a number, got 'x'; or betas.1 is missing (run.yaml:betas)",
        f"  - {OWNER} has no setting 'lable'. Did you mean 'label'? Known: {', '.join(check())} (run.yaml:lable)",
        "  at: run.yaml:width",
        "  fix: ganreg show loss toy",
    ]


def test_a_settings_error_is_a_value_error_too():
    with pytest.raises(ValueError, match="width must be"):
        check(width=0)


def test_a_key_may_be_spelt_with_dashes():
    def long(*, latent_dim: int = 1) -> None: ...

    assert validate(model_of(long), {"latent-dim": "7"}, owner=OWNER) == {"latent_dim": 7}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["start", "stop", "x"]), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("count", EXAMPLES)
def test_any_value_is_taken_or_refused_by_our_own_error(count):
    def checked(given):
        key, value = given
        with contextlib.suppress(SettingsError):
            taken = check(**{key: value})[key]
            numbers = taken if isinstance(taken, tuple) else (taken,)
            assert key == "flips" or not any(isinstance(number, bool) for number in numbers)
            assert not any(isinstance(number, float) and not math.isfinite(number) for number in numbers)

    fuzzed(count, st.tuples(st.sampled_from(sorted(check())), VALUES), checked)


# --- plain values and descriptions ------------------------------------------------------------------------------------


def test_checked_settings_become_plain_values_that_check_to_the_same():
    said = {"rate": {"start": 1, "stop": 0, "over_images": 9}, "folder": "a/b", "betas": "0,0.9", "tags": "a,b"}
    checked = validate(model_of(toy, 1), said, owner=OWNER)
    told = plain(model_of(toy, 1), checked)

    assert told["rate"] == {"start": 1.0, "stop": 0.0, "shape": "cosine", "over_images": 9, "warmup_images": 0}
    assert (told["folder"], told["betas"], told["tags"]) == ("a/b", [0.0, 0.9], ["a", "b"])
    assert validate(model_of(toy, 1), told, owner=OWNER) == checked


def test_settings_are_described_for_people():
    told = {setting.name: setting for setting in describe(model_of(toy, 1))}

    width = told["width"]
    assert (width.name, width.type, width.default, width.help, width.required) == ("width", "int", "64", "channels", False)
    assert (told["rate"].type, told["rate"].default) == ("float | Schedule", "0.0002")
    assert told["mode"].type == "ring | grid | line"
    assert told["sides"].type == "tuple[int, …]"
    assert (told["every"].type, told["every"].default) == ("int | none", "none")
    assert list(told) == list(check())


def test_a_required_setting_is_described_without_a_default():
    def needs(*, path: Path, other: Path = Path("x")) -> None: ...

    path, other = describe(model_of(needs))

    assert (path.required, path.default) == (True, "")
    assert (other.required, other.default) == (False, "'x'")
