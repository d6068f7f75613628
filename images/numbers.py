"""Numbers, checked where they come in: a NaN would otherwise come out as an image of NaN."""

import math

# The share of pixels from which on a harmless change to them is told. Soft rims and resized edges
# always have some, which nobody sees in the result.
WORTH_SAYING = 0.001


def percent(share: float) -> str:
    """A share of something that is there, which never reads as 0."""
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"


def check_numbers(
    low: float = -math.inf, high: float = math.inf, above: float = -math.inf, **numbers: float
) -> None:
    """Raise ValueError, by name, unless numbers are finite and in a range; not `above` itself."""
    for name, number in numbers.items():
        if not (math.isfinite(number) and low <= number <= high and number > above):
            raise ValueError(f"{name} is {number:.4g}; expected {_range(low, high, above)}")


def _range(low: float, high: float, above: float) -> str:
    if math.isfinite(above):
        return f"a finite number, more than {above:g}"
    if math.isfinite(high):
        return f"{low:g} to {high:g}"
    return "a finite number" + (f", {low:g} or more" if math.isfinite(low) else "")
