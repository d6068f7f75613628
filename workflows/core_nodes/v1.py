"""V1 node classes made of functions: the form in which `standalone/` writes ComfyUI's own nodes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Spec = tuple[Any, ...]
Nodes = dict[str, type]

MAX_SIZE = 16384  # pixels; ComfyUI's MAX_RESOLUTION

IMAGE, MASK, LATENT, CONDITIONING = ("IMAGE",), ("MASK",), ("LATENT",), ("CONDITIONING",)
MODEL, CLIP, VAE = ("MODEL",), ("CLIP",), ("VAE",)
WORKFLOW = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}  # hidden inputs


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
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a V1 node class of the function below and enter it in `nodes` as `name`.

    A function with one result returns it bare; an output node returns ComfyUI's dict of "ui"
    and "result".
    """
    inputs = {"required": required, "optional": optional or {}, "hidden": hidden or {}}
    bare = len(returns) == 1 and not output

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
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


def boolean(default: bool = False) -> Spec:
    """A BOOLEAN input."""
    return ("BOOLEAN", {"default": default})
