"""What to do about an error, in the words of the canvas.

The algorithms below the nodes raise errors in their own terms; here each type gets the sentence
that names nodes, inputs and folders.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

REMEDIES: dict[type[Exception], str] = {}


def with_remedies(node: type) -> type:
    """Let a node's errors end with what to do. Changes the class and gives it back."""
    name = node.FUNCTION  # type: ignore[attr-defined]  # every V1 node has one
    setattr(node, name, _explained(getattr(node, name)))
    return node


def _explained(execute: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(execute)
    def explained(*arguments: Any, **inputs: Any) -> Any:
        try:
            return execute(*arguments, **inputs)
        except tuple(REMEDIES) as error:
            error.args = (f"{error} {remedy(error)}",)
            raise

    return explained


def remedy(error: Exception) -> str:
    """What to do about an error; "" where nothing is known."""
    return next((REMEDIES[kind] for kind in type(error).__mro__ if kind in REMEDIES), "")


def answer(check: Callable[..., object], *values: Any) -> bool | str:
    """What VALIDATE_INPUTS returns: True, or the sentence of what a check found wrong."""
    try:
        check(*values)
    except (FileNotFoundError, ValueError) as error:
        return f"{error} {remedy(error)}".rstrip()
    return True
