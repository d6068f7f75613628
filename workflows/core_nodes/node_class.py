"""V1 node classes made of functions: the form in which ComfyUI's own nodes are written here."""

# ruff: noqa: N802 - INPUT_TYPES is ComfyUI's name

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

Spec = tuple[Any, ...]
Function = TypeVar("Function", bound=Callable[..., Any])

MAX_SIZE = 16384  # pixels; ComfyUI's MAX_RESOLUTION

IMAGE, MASK, LATENT, CONDITIONING = ("IMAGE",), ("MASK",), ("LATENT",), ("CONDITIONING",)
MODEL, CLIP, VAE = ("MODEL",), ("CLIP",), ("VAE",)
WORKFLOW = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}  # hidden inputs


class NodeClass(Protocol):
    """What ComfyUI and the engine ask of a V1 node class; other attributes are optional."""

    RETURN_TYPES: Any  # a tuple of strings; a list in it is a choice
    FUNCTION: str

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """{"required" | "optional": {name: (type, options)}, "hidden": {name: kind}}."""


Nodes = dict[str, type[NodeClass]]


def node(
    nodes: Nodes,
    name: str,
    title: str,
    required: Mapping[str, Spec],
    returns: Sequence[str],
    *,
    optional: Mapping[str, Spec] | None = None,
    hidden: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    output: bool = False,
) -> Callable[[Function], Function]:
    """Make a V1 node class of the function below and enter it in `nodes` as `name`.

    A function with one result returns it bare; an output node returns ComfyUI's dict of "ui"
    and "result".
    """
    inputs = {"required": required, "optional": optional or {}, "hidden": hidden or {}}
    bare = len(returns) == 1 and not output

    def register(function: Function) -> Function:
        def execute(self: Any, **values: Any) -> Any:
            result = function(**values)
            return (result,) if bare else result

        nodes[name] = type(
            name,
            (),
            {
                "__doc__": function.__doc__,
                "DISPLAY_NAME": title,
                "INPUT_TYPES": classmethod(lambda cls: inputs),
                "RETURN_TYPES": tuple(returns),
                "RETURN_NAMES": tuple(names or returns),
                "OUTPUT_NODE": output,
                "FUNCTION": "execute",
                "execute": execute,
            },
        )
        return function

    return register


def integer(default: int, low: int, high: int, step: int = 1, **more: Any) -> Spec:
    """An INT input."""
    return ("INT", {"default": default, "min": low, "max": high, "step": step, **more})


def number(default: float, low: float, high: float, step: float = 0.01, **more: Any) -> Spec:
    """A FLOAT input."""
    return ("FLOAT", {"default": default, "min": low, "max": high, "step": step, **more})


def string(default: str = "", **more: Any) -> Spec:
    """A STRING input."""
    return ("STRING", {"default": default, **more})
