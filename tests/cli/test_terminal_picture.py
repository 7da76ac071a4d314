"""Pictures as characters, on terminals of every sort."""

from __future__ import annotations

import io
import re

import pytest
import torch
from rich.console import Console

from ganreg.cli.terminal_picture import RAMP, UPPER_HALF, show

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def drawn(samples: torch.Tensor, *, width: int = 80, height: int = 24, columns: int | None = None, **settings: object) -> str:
    file = io.StringIO()
    told = {"force_terminal": True, "color_system": "truecolor", "no_color": False, "legacy_windows": False} | settings
    show(samples, Console(file=file, width=width, height=height, **told), columns=columns)  # type: ignore[arg-type]
    return file.getvalue()


def black_and_white(count: int = 1, side: int = 16) -> torch.Tensor:
    """The upper half of each is white."""
    images = -torch.ones(count, 1, side, side)
    images[:, :, : side // 2] = 1.0
    return images


def test_two_pixels_are_a_half_block_in_their_colours():
    red_over_blue = torch.tensor([[[1.0], [-1.0]], [[-1.0], [-1.0]], [[-1.0], [1.0]]])[None]
    shown = drawn(red_over_blue)

    assert f"\x1b[38;2;255;0;0;48;2;0;0;255m{UPPER_HALF}" in shown


def test_256_colours_are_used_where_there_are_no_more():
    shown = drawn(black_and_white(), color_system="256")

    assert "38;5;" in shown
    assert "38;2;" not in shown


@pytest.mark.parametrize(
    "settings",
    [{"no_color": True}, {"force_terminal": False}, {"color_system": "standard"}, {"color_system": None}],
    ids=["NO_COLOR", "a pipe", "16 colours", "none"],
)
def test_without_colours_brightness_is_a_letter_and_no_escape_is_written(settings: dict[str, object]):
    lines = drawn(black_and_white(), **settings).splitlines()

    assert "\x1b" not in "".join(lines)
    assert lines[3][4] == RAMP[-1]
    assert set("".join(lines)) <= set(RAMP)
    assert lines[7][4:12].strip() == ""


def test_an_encoding_without_blocks_gets_letters():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show(black_and_white(), Console(file=file, force_terminal=True, color_system="truecolor", width=40, height=20))
    file.seek(0)

    assert RAMP[-1] in file.read()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (20, 10), (7, 5), (300, 100), (2, 2)])
@pytest.mark.parametrize(
    "samples", [black_and_white(64), black_and_white(3, 64), torch.randn(100, 2)], ids=["small", "large", "points"]
)
def test_it_fits(samples: torch.Tensor, width: int, height: int):
    for told in ({}, {"no_color": True}):
        lines = ESCAPE.sub("", drawn(samples, width=width, height=height, **told)).splitlines()

        assert max(map(len, lines)) <= width
        assert len(lines) <= max(height - 2, 1)


def test_of_many_samples_so_many_are_shown_as_can_be_read():
    lines = ESCAPE.sub("", drawn(black_and_white(64, 16))).splitlines()

    assert len(lines[0]) == 4 * 18 + 2  # four of 16 pixels and their margins in 80 columns
    assert len(lines) == 19  # two of them above each other


def test_a_grid_is_shown_whole_in_its_columns():
    lines = ESCAPE.sub("", drawn(black_and_white(12, 16), columns=2)).splitlines()

    assert len(lines[0]) == 2 * 18 + 2
    assert len(lines) == (6 * 18 + 2) // 2


def test_what_is_no_picture_draws_nothing():
    assert drawn(torch.zeros(3, 7)) == ""
