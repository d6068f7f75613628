"""`CORE_NODES`: ComfyUI's own nodes that depth workflows use, for the embedded engine.

Class names, inputs, defaults and results are ComfyUI's, so that a workflow file means the same in
both hosts. The nodes that only hold a value are here, the others in the `core_*` files beside.
"""

from functools import partial
from typing import Any

from . import files, images, sampling, v1
from .v1 import boolean, integer, number, string

CORE_NODES: v1.Nodes = {**files.NODES, **sampling.NODES, **images.NODES}
node = partial(v1.node, CORE_NODES)

_MAX_INT = 2**63 - 1


def _value(**values: Any) -> Any:
    """The value itself; it can feed several inputs."""
    (value,) = values.values()
    return value


for _name, _title, _spec in (
    ("PrimitiveString", "Text", ("STRING", {"default": ""})),
    ("PrimitiveStringMultiline", "Text (Multiline)", ("STRING", {"multiline": True})),
    ("PrimitiveInt", "Int", integer(0, -_MAX_INT, _MAX_INT, control_after_generate="fixed")),
    ("PrimitiveFloat", "Float", number(0.0, -_MAX_INT, _MAX_INT, 0.1)),
    ("PrimitiveBoolean", "Boolean", boolean()),
):
    node(_name, _title, {"value": _spec}, [_spec[0]])(_value)

node(
    "SeedNode",
    "Seed",
    {"seed": integer(0, 0, _MAX_INT, control_after_generate="fixed")},
    ["INT"],
    names=["seed"],
)(_value)


@node(
    "StringConcatenate",
    "Concatenate Text",
    {
        "string_a": string(multiline=True),
        "string_b": string(multiline=True),
        "delimiter": string(),
    },
    ["STRING"],
)
def string_concatenate(string_a: str, string_b: str, delimiter: str) -> str:
    """Two texts with something between them."""
    return delimiter.join((string_a, string_b))
