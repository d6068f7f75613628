"""What to do about an error, in the words of the canvas.

The algorithms below the nodes raise errors in their own terms; here each type gets the sentence
that names nodes, inputs and folders.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..checkpoints.errors import IncompleteMidas, OtherModel
from .advice import advice

REMEDIES: dict[type[Exception], str | Callable[[Any], str]] = {
    OtherModel: lambda error: advice(error.diagnosis),
    IncompleteMidas: "`depth2img convert --without-midas` writes it without MiDaS.",
}


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
    said = next((REMEDIES[kind] for kind in type(error).__mro__ if kind in REMEDIES), "")
    return said if isinstance(said, str) else said(error)
