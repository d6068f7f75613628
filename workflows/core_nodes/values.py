"""ComfyUI's nodes that hold a value, which can feed several inputs."""

from typing import Annotated

from .node_class import Text, integer, node, number

_MAX = 2**63 - 1

Lines = Annotated[str, ("STRING", {"multiline": True})]
Switch = Annotated[bool, ("BOOLEAN", {"default": False})]
Int = Annotated[int, integer(0, -_MAX, _MAX, control_after_generate="fixed")]
Float = Annotated[float, number(0.0, -_MAX, _MAX, 0.1)]


@node("PrimitiveString", "Text")
def primitive_string(value: Text) -> Text:
    """A text of one line."""
    return value


@node("PrimitiveStringMultiline", "Text (Multiline)")
def primitive_string_multiline(value: Lines) -> Lines:
    """A text of several lines."""
    return value


@node("PrimitiveInt", "Int")
def primitive_int(value: Int) -> Int:
    """A whole number."""
    return value


@node("PrimitiveFloat", "Float")
def primitive_float(value: Float) -> Float:
    """A number."""
    return value


@node("PrimitiveBoolean", "Boolean")
def primitive_boolean(value: Switch) -> Switch:
    """On or off."""
    return value
