"""Numbers as people read them."""

from __future__ import annotations

import math


def shown(value: float | None, digits: int = 4) -> str:
    """1.386, 12,400, 2e-04; an en dash for what is not there."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if value == 0:
        return "0"
    if size >= 10 ** max(digits, 5) and size < 1e15:
        return f"{value:,.0f}"
    if 1e-3 <= size < 1e15:
        places = max(0, digits - 1 - math.floor(math.log10(size)))
        text = f"{value:,.{places}f}"
        short = text.rstrip("0").rstrip(".") if "." in text else text
        return short if float(short.replace(",", "")) == value else text  # 0.002 was set, 1.300 was measured
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def duration(seconds: float) -> str:
    """12.3 s, 4 min 05 s, 3 h 20 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s"


def size(count: float) -> str:
    """900 B, 12 kB, 1.9 MB."""
    for unit in ("B", "kB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} MB"


def name_of(value: float) -> str:
    """The name of an equilibrium's value, where it has one: 2 ln 2."""
    names = {2 * math.log(2): "2 ln 2", math.log(2): "ln 2", -math.log(2): "−ln 2", 0.25: "1/4", 0.125: "1/8"}
    return next((name for exact, name in names.items() if math.isclose(exact, value, rel_tol=1e-6)), "")
