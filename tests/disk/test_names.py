"""File names that some system cannot have."""

import pytest

from sd2_depth2img.disk.names import ImpossibleName, check_name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a\0b", "has a zero character"),
        ("a\ud800", r"has '\\ud800', which file names of this system"),
    ],
)
def test_names_that_no_system_has(name, message):
    with pytest.raises(ImpossibleName, match=message):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CON", "'CON' is a device"),
        ("maps/nul.old", "'nul.old' is a device"),
        ("com1/a", "'com1' is a device"),
        ("12:30", "'12:30' has ':'"),
        ("a?", "has '\\?'"),
        ("a\nb", r"has '\\n'"),
        ("maps./a", "'maps.' ends in a dot or a space"),
        ("maps /a", "'maps ' ends in"),
        ("maps\\aux\\a", "'aux' is a device"),
    ],
)
def test_names_that_windows_does_not_have(name, message):
    with pytest.raises(ImpossibleName, match=message):
        check_name(name, windows=True)
    check_name(name, windows=False)


@pytest.mark.parametrize("name", ["console", "a.b", "com/a", "COM10", ".hidden/a", "карта", "a b"])
def test_names_that_windows_has(name):
    check_name(name, windows=True)
