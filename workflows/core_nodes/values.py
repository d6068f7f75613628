"""ComfyUI's nodes that hold a value, which can feed several inputs."""

from typing import Any

from .node_class import Nodes, integer, node, number, string

NODES: Nodes = {}

_MAX_INT = 2**63 - 1

_VALUES = (
    ("PrimitiveString", "Text", string()),
    ("PrimitiveStringMultiline", "Text (Multiline)", ("STRING", {"multiline": True})),
    ("PrimitiveInt", "Int", integer(0, -_MAX_INT, _MAX_INT, control_after_generate="fixed")),
    ("PrimitiveFloat", "Float", number(0.0, -_MAX_INT, _MAX_INT, 0.1)),
)


def _value(value: Any) -> Any:
    """The value itself."""
    return value


for _name, _title, _spec in _VALUES:
    node(NODES, _name, _title, {"value": _spec}, [_spec[0]])(_value)
