"""What is thinned keeps every peak that a reader would look for; what is smoothed invents none."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganreg.report.series import MOST_POINTS, Point, smoothed, thinned, window


def test_few_points_stay_as_they_are():
    points: list[Point] = [(1.0, 2.0), (2.0, None), (3.0, 4.0)]

    assert thinned(points) == points


def test_a_single_spike_among_a_hundred_thousand_points_is_kept():
    points: list[Point] = [(float(step), 1.0) for step in range(100_000)]
    points[54_321] = (54_321.0, 99.0)
    kept = thinned(points)

    assert len(kept) <= MOST_POINTS + 2
    assert (54_321.0, 99.0) in kept
    assert (kept[0], kept[-1]) == (points[0], points[-1])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=30, max_size=300))
def test_extremes_and_order_survive_and_nothing_is_added(values: list[float | None]):
    points = [(float(step), value) for step, value in enumerate(values)]
    kept = thinned(points, most=20)
    numbers = [value for value in values if value is not None]

    assert kept == sorted(set(kept), key=lambda point: point[0])
    assert set(kept) <= set(points)
    assert len(kept) <= 32
    if numbers:
        assert {min(numbers), max(numbers)} <= {value for _, value in kept}
    assert (None in values) == any(value is None for _, value in kept)


def test_a_few_points_are_not_smoothed():
    assert window(59) == 1
    assert window(60) == 3
    assert window(4000) == 101


def test_the_mean_is_of_the_points_around_and_the_ends_are_their_own():
    points: list[Point] = [(1.0, 0.0), (2.0, 3.0), (3.0, 6.0), (4.0, 0.0)]

    assert smoothed(points, 3) == [(1.0, 0.0), (2.0, 3.0), (3.0, 3.0), (4.0, 0.0)]
    assert smoothed(points, 1) == points


def test_a_gap_stays_one_and_joins_no_mean():
    assert smoothed([(1.0, 2.0), (2.0, 4.0), (3.0, None), (4.0, 8.0), (5.0, 9.0)], 3) == [
        (1.0, 2.0),
        (2.0, 3.0),
        (3.0, None),
        (4.0, 8.5),
        (5.0, 9.0),
    ]
