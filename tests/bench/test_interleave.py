"""The ruler itself, against clocks that are known."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

from ganreg.bench import interleave as ruler
from ganreg.bench.interleave import Contender, Spread, Timings, cuda_clock, interleave, wall_clock


class FakeClock:
    """Every call of a contender takes the seconds that it says itself; nothing waits."""

    def __init__(self) -> None:
        self.batches: list[tuple[Callable[[], object], int]] = []

    def __call__(self, call: Callable[[], object], count: int) -> float:
        self.batches.append((call, count))
        return sum(call() for _ in range(count))


def taking(seconds: float) -> Contender:
    return Contender(lambda: seconds)


def test_seconds_are_those_of_one_call():
    timings = interleave({"a": taking(0.25), "b": taking(2.0)}, rounds=5, stopwatch=FakeClock(), batch_seconds=1.0)

    assert timings.calls == {"a": 4, "b": 1}
    assert timings.seconds == {"a": [0.25] * 5, "b": [2.0] * 5}
    assert timings.ratio("b", over="a") == Spread(8.0, 8.0, 8.0)


def test_a_batch_doubles_until_it_is_long_enough_and_a_long_call_is_a_batch():
    timings = interleave({"short": taking(1.0), "long": taking(9.0)}, rounds=5, stopwatch=FakeClock(), batch_seconds=6.0)

    assert timings.calls == {"short": 8, "long": 1}


def test_a_clock_that_stands_still_does_not_keep_us(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ruler, "MOST_CALLS", 16)

    assert interleave({"a": taking(0.0)}, rounds=5, stopwatch=FakeClock()).calls == {"a": 16}


def test_a_round_runs_everyone_and_the_order_moves_on_by_one():
    clock = FakeClock()
    contenders = {name: taking(1.0) for name in "abc"}
    names = {contender.run: name for name, contender in contenders.items()}

    interleave(contenders, rounds=5, stopwatch=clock)

    order = "".join(names[call] for call, _ in clock.batches[3:])  # the first three are calibration
    assert order == "abc" + "bca" + "cab" + "abc" + "bca"


def test_what_slows_the_machine_for_a_round_leaves_the_ratio_alone():
    pace = iter([1.0, 1.0, 1.0, 10.0, 1.0, 1.0])  # calibration, then five rounds

    def slowed(seconds: float) -> Contender:
        return Contender(lambda: seconds * now[0])

    def clock(call: Callable[[], object], count: int) -> float:
        batches.append(call)
        if len(batches) % 2 == 1:
            now[0] = next(pace)
        return sum(call() for _ in range(count))

    now, batches = [1.0], []
    timings = interleave({"a": slowed(1.0), "b": slowed(3.0)}, rounds=5, stopwatch=clock)

    assert max(timings.seconds["a"]) == 10.0
    assert timings.ratio("b", over="a") == Spread(3.0, 3.0, 3.0)


def test_a_ratio_is_the_median_of_rounds_and_not_the_ratio_of_medians():
    timings = Timings({"a": [1.0, 2.0, 4.0], "b": [4.0, 2.0, 1.0]}, {})

    assert timings.ratio("b", over="a") == Spread(1.0, low=0.625, high=2.5)
    assert timings.spread("a") == Spread(2.0, low=1.5, high=3.0)


def test_data_is_put_back_and_the_caches_warmed_before_each_batch_outside_the_clock():
    events: list[str] = []

    def clock(call: Callable[[], object], count: int) -> float:
        events.append("clock")
        call()
        events.append("stop")
        return 1.0

    interleave({"a": Contender(lambda: events.append("run"), lambda: events.append("refresh"))}, rounds=5, stopwatch=clock)

    assert events == ["refresh", "run", "clock", "run", "stop"] * 6


def test_the_collector_is_off_meanwhile_and_on_afterwards():
    seen: list[bool] = []

    def fails() -> float:
        seen.append(gc.isenabled())
        if len(seen) == 4:
            raise RuntimeError
        return 1.0

    with pytest.raises(RuntimeError):
        interleave({"a": Contender(fails)}, rounds=5, stopwatch=FakeClock())

    assert seen == [False] * 4
    assert gc.isenabled()


def test_four_rounds_are_refused():
    with pytest.raises(ValueError, match="expected at least 5 rounds, got 4"):
        interleave({"a": taking(1.0)}, rounds=4)


def test_the_wall_clock_times_all_calls_of_a_batch(monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr(ruler.time, "perf_counter", lambda: now[0])

    def call() -> None:
        now[0] += 0.5

    assert wall_clock(call, 3) == 1.5


def test_the_cuda_clock_reads_events_around_the_batch_in_seconds(monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []

    class Event:
        def __init__(self, *, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            told.append("record")

        def synchronize(self) -> None:
            told.append("wait for the event")

        def elapsed_time(self, end: object) -> float:
            return 250.0

    monkeypatch.setattr("torch.cuda.Event", Event)
    monkeypatch.setattr("torch.cuda.synchronize", lambda: told.append("wait for the card"))

    assert cuda_clock(lambda: told.append("call"), 2) == 0.25
    assert told == ["wait for the card", "record", "call", "call", "record", "wait for the event"]
