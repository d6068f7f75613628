"""Results of nodes, and which of them stay in memory from one run to the next."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from torch import Tensor

from .widgets import Json


@dataclass(frozen=True)
class Done:
    """What a node gave."""

    outputs: list[list[Any]]
    ui: Json


_EACH = 1000  # bytes, about, of a result beside its tensors


def recent(done: Mapping[str, Done], known: set[str], memory: int) -> dict[str, Done]:
    """The last of the results that are not `known`, as many as fit into so many bytes.

    What has shown or saved something stays out, because it shall be shown or saved again; so does
    what has a size that cannot be told, such as a model.
    """
    kept: list[tuple[str, Done]] = []
    for sign, one in reversed(list(done.items())):
        size = math.inf if sign in known or one.ui else _EACH + size_of(one.outputs)
        if size <= memory:
            memory -= int(size)
            kept.append((sign, one))
    return dict(reversed(kept))


def size_of(value: Any) -> float:
    """Bytes of the tensors in a result; infinite where it has something else than data."""
    if isinstance(value, Tensor):
        return value.nbytes
    if value is None or isinstance(value, (str, int, float, Enum)):
        return 0
    if isinstance(value, (list, tuple)):
        return sum(map(size_of, value))
    if isinstance(value, dict):
        return sum(map(size_of, value.values()))
    if is_dataclass(value) and not isinstance(value, type):
        return sum(size_of(getattr(value, field.name)) for field in fields(value))
    return math.inf
