"""Numbers, checked where they come in: a NaN would otherwise come out as an image of NaN."""

import math


def check_numbers(low: float = -math.inf, high: float = math.inf, **numbers: float) -> None:
    """Raise ValueError, by name, unless numbers are finite and in a range, ends included."""
    for name, number in numbers.items():
        if not (math.isfinite(number) and low <= number <= high):
            raise ValueError(f"{name} is {number:.4g}; expected {_range(low, high)}")


def _range(low: float, high: float) -> str:
    if math.isfinite(high):
        return f"{low:g} to {high:g}"
    return "a finite number" + (f", {low:g} or more" if math.isfinite(low) else "")
