"""File names that this system cannot have."""

import os
import re


class ImpossibleName(ValueError):  # noqa: N818 - names what is wrong with it
    """A file name that this system cannot have; the message shows it."""


_WINDOWS_DEVICES = re.compile(r"(?i)(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])\s*(\..*)?")
_WINDOWS_CHARACTERS = re.compile(r'[\x00-\x1f<>:"|?*]')


def check_name(name: str, windows: bool = os.name == "nt") -> None:
    """Raise ImpossibleName for a relative path that would fail, or become another one in silence.

    Windows makes devices of some names (CON), streams of others (`a:b`), and drops dots at the end.
    """
    if "\0" in name:
        raise ImpossibleName(f"the file name {name!r} has a zero character; take it out")
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise ImpossibleName(
            f"the file name {name!r} has {name[error.start : error.end]!r}, which file names of "
            f"this system ({error.encoding}) cannot have; leave it out"
        ) from error
    for part in re.split(r"[/\\]", name) if windows else ():
        if found := _WINDOWS_CHARACTERS.search(part):
            raise ImpossibleName(
                f"the file name {part!r} has {found[0]!r}, which no file of Windows can have; "
                "leave it out"
            )
        if _WINDOWS_DEVICES.fullmatch(part):
            raise ImpossibleName(f"{part!r} is a device on Windows, no file; choose another name")
        if part != part.rstrip(" ."):
            raise ImpossibleName(
                f"the name {part!r} ends in a dot or a space, which Windows drops; leave it out"
            )
