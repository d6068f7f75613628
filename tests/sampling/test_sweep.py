"""Texts that name strengths: what they mean, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.sampling.sweep import MOST_RUNS, parse_series, sweep


def series(text, low=0, high=1):
    return parse_series(text, low, high, "strengths")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0.4, 0.6, 0.8, 1.0", [0.4, 0.6, 0.8, 1.0]),
        ("0.4 to 1.0 in 4", [0.4, 0.6, 0.8, 1.0]),  # the very same floats as in the list
        ("1 to 0 in 5", [1.0, 0.75, 0.5, 0.25, 0.0]),
        ("0 to 1 in 4", [0.0, 1 / 3, 2 / 3, 1.0]),
        ("0.1, 0.2 to 0.4 in 3, 1", [0.1, 0.2, 0.3, 0.4, 1.0]),
        (" .5 ,1. ", [0.5, 1.0]),
        ("0.1 TO 0.3   In 3", [0.1, 0.2, 0.3]),
        ("0.7 to 0.7 in 1", [0.7]),
        ("0.7 to 0.7 in 2", [0.7, 0.7]),
        ("5e-1", [0.5]),
        ("0.4\n", [0.4]),
    ],
)
def test_a_text_names_numbers(text, numbers):
    assert series(text) == numbers


def test_minus_zero_is_zero():
    assert str(series("-0")) == "[0.0]"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_list_comes_back_as_it_was_written(numbers):
    assert series(", ".join(map(repr, numbers))) == numbers


@given(st.floats(0, 1), st.floats(0, 1), st.integers(2, MOST_RUNS))
def test_evenly_spaced_numbers_reach_from_end_to_end(start, end, count):
    numbers = series(f"{start!r} to {end!r} in {count}")
    assert (numbers[0], numbers[-1], len(numbers)) == (start, end, count)
    assert numbers == sorted(numbers, reverse=end < start)
    step = (end - start) / (count - 1)
    for index, number in enumerate(numbers):
        assert number == pytest.approx(start + index * step, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "strengths is empty; expected numbers such as"),
        (" \n", "strengths is empty"),
        ("0.4,,0.6", "before or after a comma"),
        ("half", "'half' is no number"),
        ("(" * 50_000, r"^strengths: '\({30,40}\.\.\.\({30,40}' is no number"),
        ("0.4 0.6", "'0.4 0.6' is no number"),
        ("nan", "'nan' is no number"),
        ("sNaN", "'sNaN' is no number"),
        ("-inf", "'-inf' is no number"),
        ("1e9999999999999999999", "is no number"),
        ("0.4 to 1.0", "'0.4 to 1.0' is no number; expected .* in 4"),
        ("0.4 to x in 4", "'x' is no number"),
        ("0.4 to 1.0 in four", "'four' is no number"),
        ("1.01", "1.01 is out of range; expected numbers from 0 to 1"),
        ("-0.1", "-0.1 is out of range"),
        ("0,4", "4 is out of range.*point before the decimals"),
        ("0 to 2 in 3", "2 is out of range"),
        ("0 to 1 in 0", "asks for 0 numbers; expected a whole number from 1 to 1000"),
        ("0 to 1 in -3", "asks for -3 numbers"),
        ("0 to 1 in 2.5", "asks for 2.5 numbers"),
        ("0 to 1 in 1", "two ends, but place for one number; expected 2 or more"),
        ("0 to 1 in 1001", "asks for 1001 numbers"),
        ("0 to 1 in 1e999999", "asks for 1e999999 numbers"),
        ("0 to 1e999999 in 4", "1e999999 is out of range"),
        ("1e-999999 to -1e-999999 in 9", "out of range"),
    ],
)
def test_a_text_that_names_no_strengths_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        series(text)


@given(st.text("0123456789.,-+eE naifto\n", max_size=40))
def test_any_text_gives_numbers_in_range_or_a_message(text):
    try:
        numbers = series(text)
    except ValueError as error:
        numbers, message = [], str(error)
    assert numbers or message.startswith("strengths")
    assert all(0 <= number <= 1 for number in numbers)


@pytest.mark.parametrize("text", ["0.4, 0.6,", "0.4; 0.6", "0.4\n0.6\n", " 0.4 ,0.6; "])
def test_other_separators_and_a_last_one_do_no_harm(text):
    assert parse_series(text, 0, 1, "strengths") == [0.4, 0.6]


def test_the_figure_of_the_tutorial():
    runs = sweep("0.4 to 1.0 in 4", "0, 1")
    assert runs.denoise == [0.4, 0.6, 0.8, 1.0] * 2
    assert runs.depth_strength == [0.0] * 4 + [1.0] * 4
    assert runs.column_labels == ["strength 0.4", "strength 0.6", "strength 0.8", "strength 1.0"]
    assert runs.row_labels == ["img2img (no depth)", "depth-to-image"]


def test_other_rows_are_called_by_their_numbers():
    runs = sweep("1", "0.5, 1 to 2 in 4")
    assert runs.row_labels[0] == "depth strength 0.5"
    assert runs.row_labels[2] == "depth strength 1.33333"
    assert runs.row_labels[-1] == "depth strength 2.0"


@given(
    st.lists(st.floats(0.01, 1), min_size=1, max_size=6),
    st.lists(st.floats(0, 2), min_size=1, max_size=6),
)
def test_every_pair_is_there_once_row_by_row(columns, rows):
    runs = sweep(", ".join(map(repr, columns)), ", ".join(map(repr, rows)))
    expected = [(row, column) for row in rows for column in columns]
    assert list(zip(runs.depth_strength, runs.denoise, strict=True)) == expected
    assert (len(runs.column_labels), len(runs.row_labels)) == (len(columns), len(rows))


def test_runs_that_paint_nothing_are_refused_but_not_runs_without_depth():
    with pytest.raises(ValueError, match=r"nothing would be painted with '0, 0\.0'"):
        sweep("0, 0.0", "1")
    assert sweep("0, 0.5", "1").denoise == [0.0, 0.5]
    assert sweep("0.5", "0").row_labels == ["img2img (no depth)"]


def test_each_text_has_its_own_range_and_name():
    assert sweep("1", "2").depth_strength == [2.0]
    with pytest.raises(ValueError, match=r"^strengths: 2 is out of range"):
        sweep("2", "1")
    with pytest.raises(ValueError, match=r"^depth_strengths: 2\.1 is out of range.* 0 to 2"):
        sweep("1", "2.1")


def test_an_absurd_number_of_runs_is_refused():
    assert len(sweep("0.1 to 1 in 100", "0 to 2 in 10").denoise) == MOST_RUNS
    with pytest.raises(ValueError, match="11 depth strengths x 100 strengths are 1100 runs"):
        sweep("0.1 to 1 in 100", "0 to 2 in 11")
    with pytest.raises(ValueError, match="1002 runs"):
        sweep("0.1 to 1 in 501, 0.1 to 1 in 501", "1")
