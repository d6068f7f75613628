"""How many there are, as it reads in a sentence."""


def counted(number: int, what: str) -> str:
    """`1 value`, `2 values`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def how_many(number: int, total: int, what: str) -> str:
    """With its verb: `the map is`, `1 of 3 maps is`, `2 of 3 maps are`, `all 3 maps are`."""
    if total == 1 == number:
        return f"the {what} is"
    some = f"all {total}" if number == total else f"{number} of {total}"
    return f"{some} {what}s {'is' if number == 1 else 'are'}"


def which(index: int, total: int, what: str) -> str:
    """One by its number, where there are several: `the map`, `map 2 of 3 (counted from 0)`."""
    return f"the {what}" if total == 1 else f"{what} {index} of {total} (counted from 0)"
