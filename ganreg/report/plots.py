"""Which plots a report has: of one run both networks in a frame, of several runs a frame for each number."""

from __future__ import annotations

from collections.abc import Sequence

from ganreg.report.beside import Measured, measured
from ganreg.report.plot import Level, Line, Plot
from ganreg.report.reading import RunRecord
from ganreg.report.series import Point
from ganreg.report.wording import name_of, shown

HALF = Level(0.5, "1/2", "where D cannot tell reals from fakes")
WIDE = 20.0
"""Times that the highest value is the lowest, from which an axis is logarithmic."""

Pair = tuple[str, str, str]
"""A number of the log, how it is called in a frame of its own, and beside its twin."""

LOSSES: tuple[Pair, Pair] = (("loss_d", "Loss of D", "D"), ("loss_g", "Loss of G", "G"))
JUDGEMENT: tuple[Pair, Pair] = (("d_real", "D(x), on reals", "D(x), reals"), ("d_fake", "D(G(z)), on fakes", "D(G(z)), fakes"))
GRADIENTS: tuple[Pair, Pair] = (("grad_d", "Gradient of D, 2-norm", "D"), ("grad_g", "Gradient of G, 2-norm", "G"))
RATES: tuple[Pair, Pair] = (("lr_d", "Learning rate of D", "D"), ("lr_g", "Learning rate of G", "G"))


class Frames:
    """The plots of these runs, over one common axis of steps; a plot for which nothing was logged is left out."""

    def __init__(self, records: Sequence[RunRecord]) -> None:
        self.records = records
        steps = [step for record in records for step in (*record.pictures, *(point[0] for point in record.column("step")))]
        self.last_step = float(max([*steps, *(one.step for record in records for one in record.evaluations)], default=0))

    def losses(self) -> list[Plot]:
        """Both losses, and the equilibrium that their own loss tells."""
        return self._pair("losses", "Losses", LOSSES, self._equilibria())

    def judgement(self) -> list[Plot]:
        """How real D finds reals and fakes: 1/2 where it cannot tell."""
        return self._pair("judgement", "What D says", JUDGEMENT, ([HALF], [HALF]), low=0.0, high=1.0)

    def gradients(self) -> list[Plot]:
        """Their lengths, on a logarithmic axis."""
        return self._pair("gradients", "Gradients, 2-norm", GRADIENTS, is_log=True)

    def rates(self) -> list[Plot]:
        """Learning rates, where one of them changes; one that never does is a setting and needs no plot."""
        changing = any(len({value for _, value in record.column(key)}) > 1 for record in self.records for key, *_ in RATES)
        values = [value for record in self.records for key, *_ in RATES for _, value in record.column(key) if value]
        is_log = bool(values) and max(values) > WIDE * min(values)
        return self._pair("rates", "Learning rates", RATES, low=None if is_log else 0.0, is_log=is_log) if changing else []

    def pace(self) -> list[Plot]:
        """Images per second, as measured between two looks."""
        return self._each("pace", "Images per second", "images_per_second", low=0.0)

    def penalties(self) -> list[Plot]:
        """Each regularizer's value, before its weight."""
        every = dict.fromkeys(name for record in self.records for row in record.rows for name in row)
        names = [name for name in every if name.startswith("penalty_")]
        return [
            plot
            for index, name in enumerate(names)
            for plot in self._each(f"penalty-{index}", f"Penalty {name.removeprefix('penalty_')}", name)
        ]

    def metrics(self) -> list[Plot]:
        """Each measure that some run has taken more than once; unlike protocols are never in one frame."""
        return [plot for index, one in enumerate(measured(self.records)) if (plot := self._metric(index, one)) is not None]

    def _metric(self, index: int, one: Measured) -> Plot | None:
        lines = []
        for style, record in enumerate(self.records):
            same = (e for e in record.evaluations if (e.metric, e.weights, e.extractor, e.protocol) == _key(one))
            points: dict[float, float | None] = {float(e.step): e.value for e in sorted(same, key=lambda e: e.step)}
            if any(value is not None for value in points.values()):
                lines.append(Line(record.name if len(self.records) > 1 else one.metric, list(points.items()), style))
        if not any(len(line.points) > 1 for line in lines):
            return None
        better = "higher is better" if one.higher_is_better else "lower is better"
        return Plot(f"metric-{index}", one.metric, lines, self.last_step, unit=better)

    def _pair(
        self,
        name: str,
        title: str,
        pair: tuple[Pair, Pair],
        levels: tuple[list[Level], list[Level]] = ([], []),
        *,
        low: float | None = None,
        high: float | None = None,
        is_log: bool = False,
    ) -> list[Plot]:
        if len(self.records) > 1:
            return [
                plot
                for (key, alone, _), own in zip(pair, levels, strict=True)
                for plot in self._each(key.replace("_", "-"), alone, key, own, low=low, high=high, is_log=is_log)
            ]
        both = [Line(twin, self.records[0].column(key), style) for style, (key, _, twin) in enumerate(pair)]
        lines = [line for line in both if _has_values(line.points)]
        together = list({level.label: level for level in (*levels[0], *levels[1])}.values())
        return [Plot(name, title, lines, self.last_step, together, low, high, is_log)] if lines else []

    def _each(
        self,
        name: str,
        title: str,
        key: str,
        levels: Sequence[Level] = (),
        *,
        low: float | None = None,
        high: float | None = None,
        is_log: bool = False,
    ) -> list[Plot]:
        """A frame with a line for each run."""
        several = len(self.records) > 1
        every = [Line(record.name if several else title, record.column(key), i) for i, record in enumerate(self.records)]
        lines = [line for line in every if _has_values(line.points)]
        return [Plot(name, title, lines, self.last_step, list(levels), low, high, is_log)] if lines else []

    def _equilibria(self) -> tuple[list[Level], list[Level]]:
        """For D's and for G's loss; one level where runs share it, else each run's in its colour."""
        if len(self.records) == 1:
            told = self.records[0].equilibrium
            if told is None:
                return [], []
            if told[0] == told[1]:
                return [_equilibrium(told[0], "D and G at equilibrium")], []
            return [_equilibrium(told[0], "D at equilibrium", 0)], [_equilibrium(told[1], "G at equilibrium", 1)]
        return self._level_of(0), self._level_of(1)

    def _level_of(self, side: int) -> list[Level]:
        values: dict[float, list[int]] = {}
        for index, record in enumerate(self.records):
            if record.equilibrium is not None:
                values.setdefault(record.equilibrium[side], []).append(index)
        found = []
        for value, runs in values.items():
            names = ", ".join(self.records[index].name for index in runs)
            whose = f"equilibrium of {names}" if len(values) > 1 else "the equilibrium"
            found.append(_equilibrium(value, whose, runs[0] if len(values) > 1 and len(runs) == 1 else None))
        return found


def _equilibrium(value: float, meaning: str, style: int | None = None) -> Level:
    name = name_of(value)
    return Level(value, name or shown(value), f"{name} = {shown(value)}, {meaning}" if name else meaning, style)


def _key(one: Measured) -> tuple[object, ...]:
    return one.metric, one.weights, one.extractor, one.protocol


def _has_values(points: Sequence[Point]) -> bool:
    return any(value is not None for _, value in points)
