"""V1 node classes made of functions: the form in which ComfyUI's own nodes are written here.

A function's signature declares the node: every parameter, and what it returns, is `Annotated` with
ComfyUI's name of the type, and options.
"""

# ruff: noqa: N802 - INPUT_TYPES is ComfyUI's name

import inspect
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Protocol, TypeVar, get_args, get_type_hints

from torch import Tensor

from ...engine.folders import ModelKind, model_file_names, model_file_path
from ...nodes.remedies import answer
from ...sampling import depth_channel

Spec = tuple[Any, ...]
Function = TypeVar("Function", bound=Callable[..., Any])


class NodeClass(Protocol):
    """What ComfyUI and the engine ask of a V1 node class; other attributes are optional."""

    RETURN_TYPES: Any  # a tuple of strings; a list in it is a choice
    FUNCTION: str

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """{"required" | "optional": {name: (type, options)}, "hidden": {name: kind}}."""


Nodes = dict[str, type[NodeClass]]

CORE_NODES: Nodes = {}


# --- what an input is ----------------------------------------------------------------------------


def integer(default: int, low: int, high: int, step: int = 1, **more: Any) -> Spec:
    """An INT input."""
    return ("INT", {"default": default, "min": low, "max": high, "step": step, **more})


def number(default: float, low: float, high: float, step: float = 0.01, **more: Any) -> Spec:
    """A FLOAT input."""
    return ("FLOAT", {"default": default, "min": low, "max": high, "step": step, **more})


def string(default: str = "", **more: Any) -> Spec:
    """A STRING input."""
    return ("STRING", {"default": default, **more})


def model_file(kind: ModelKind) -> Spec:
    """A choice of the model files of a kind; a missing one is named before anything runs."""
    return (kind,)


MAX_SIZE = 16384  # pixels; ComfyUI's MAX_RESOLUTION

Image = Annotated[Tensor, ("IMAGE",)]  # float32 [B, H, W, 3] in 0..1
Mask = Annotated[Tensor, ("MASK",)]  # float32 [B, H, W] or [H, W], 1 = inside
# `samples` [B, 4, h, w], perhaps `noise_mask` [B, 1, H, W] and `batch_index`
Latent = Annotated[dict[str, Any], ("LATENT",)]
Conditioning = Annotated[depth_channel.Conditioning, ("CONDITIONING",)]  # [tensor [1, T, C], dict]
Text = Annotated[str, string()]
Model = Annotated[Any, ("MODEL",)]
Clip = Annotated[Any, ("CLIP",)]
Vae = Annotated[Any, ("VAE",)]
ControlNet = Annotated[Any, ("CONTROL_NET",)]
Side = Annotated[int, integer(512, 1, MAX_SIZE)]
Offset = Annotated[int, integer(0, 0, MAX_SIZE)]
BatchSize = Annotated[int, integer(1, 1, 4096)]
Prompt = Annotated[Any, ("PROMPT",)]  # hidden: what runs, and the canvas it was drawn on
PngInfo = Annotated[Any, ("EXTRA_PNGINFO",)]
Shown = Annotated[dict[str, Any], ("ui",)]  # as last output: what the canvas shows of the node
_HIDDEN = ("PROMPT", "EXTRA_PNGINFO")


# --- classes -------------------------------------------------------------------------------------


def node(
    name: str, title: str, *names: str, **checks: Callable[[str], object]
) -> Callable[[Function], Function]:
    """Make a node class of the function below and enter it in CORE_NODES as `name`.

    Parameters with a default are optional inputs. Outputs are called as their types unless `names`
    says otherwise. `checks` of texts, by input, raise ValueError or OSError before anything runs.
    """

    def register(function: Function) -> Function:
        inputs, outputs = _inputs(function), _outputs(function)
        shows = outputs[-1] == "ui"
        types = tuple(outputs[:-1] if shows else outputs)

        def execute(self: Any, **values: Any) -> Any:
            result = function(**values)
            results = result if len(outputs) > 1 else (result,)
            return {"ui": results[-1], "result": results[:-1]} if shows else results

        attributes = {
            "__doc__": function.__doc__,
            "DISPLAY_NAME": title,
            "INPUT_TYPES": classmethod(lambda cls: _with_names(inputs)),
            "RETURN_TYPES": types,
            "RETURN_NAMES": names or types,
            "OUTPUT_NODE": shows,
            "FUNCTION": "execute",
            "execute": execute,
            **_validation({**_file_checks(inputs["required"]), **checks}),
        }
        CORE_NODES[name] = type(name, (), attributes)
        return function

    return register


def _inputs(function: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    inputs: dict[str, dict[str, Any]] = {"required": {}, "optional": {}, "hidden": {}}
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        spec: Spec = hints[name].__metadata__[0]
        if spec[0] in _HIDDEN:
            inputs["hidden"][name] = spec[0]
        else:
            group = "required" if parameter.default is parameter.empty else "optional"
            inputs[group][name] = spec
    return inputs


def _with_names(inputs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """With the files that are there now, where an input is one of them."""

    def named(kind: Any, *options: Any) -> Spec:
        return (model_file_names(kind) if isinstance(kind, ModelKind) else kind, *options)

    return {
        group: {name: named(*spec) for name, spec in specs.items()} if group != "hidden" else specs
        for group, specs in inputs.items()
    }


def _file_checks(inputs: dict[str, Spec]) -> dict[str, Callable[[str], object]]:
    return {
        name: partial(model_file_path, kind)
        for name, (kind, *_) in inputs.items()
        if isinstance(kind, ModelKind)
    }


def _validation(checks: dict[str, Callable[[str], object]]) -> dict[str, Any]:
    """VALIDATE_INPUTS, by whose parameters it is known which inputs it judges."""
    if not checks:
        return {}

    def validate(cls: type, **given: str) -> bool | str:
        answers = (answer(checks[name], text) for name, text in given.items())
        return next((reason for reason in answers if reason is not True), True)

    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in checks]
    own = inspect.Parameter("cls", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    validate.__signature__ = inspect.Signature([own, *parameters])  # type: ignore[attr-defined]
    return {"VALIDATE_INPUTS": classmethod(validate)}


def _outputs(function: Callable[..., Any]) -> list[Any]:
    """Their types."""
    returned = get_type_hints(function, include_extras=True)["return"]
    hints = [returned] if hasattr(returned, "__metadata__") else get_args(returned)
    return [hint.__metadata__[0][0] for hint in hints]
