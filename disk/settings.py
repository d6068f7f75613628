"""Settings in JSON files, such as `config.json`."""

import json
from pathlib import Path
from typing import Any


class DamagedSettings(ValueError):  # noqa: N818 - names what the file is
    """A settings file that is not a JSON object; the message names it."""


# Bytes; an index of shards has a few hundred thousand. As lists of lists it takes 20 times as much.
_MAX_SETTINGS = 20_000_000


def read_settings(path: Path) -> dict[str, Any]:
    """A JSON object in a file, such as `config.json`. Raises DamagedSettings, OSError."""
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise DamagedSettings(f"{path} is not a file; expected JSON")
    with path.open("rb") as file:
        raw = file.read(_MAX_SETTINGS + 1)
    if len(raw) > _MAX_SETTINGS:
        raise DamagedSettings(
            f"{path} was refused: it is longer than {_MAX_SETTINGS:,} bytes, and no settings are"
        )
    try:
        content = json.loads(raw)
    except RecursionError as error:
        raise DamagedSettings(f"{path} is damaged: it is not JSON (nested too deeply)") from error
    except ValueError as error:
        raise DamagedSettings(f"{path} is damaged: it is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise DamagedSettings(f"{path} is damaged: it is not a JSON object")
    return content
