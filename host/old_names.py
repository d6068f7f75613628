"""Names that inputs and their options had before: old workflows run under the current ones.

A node's own name has never changed, so none has to be registered with ComfyUI's replacements of
nodes, which leave the inputs of nodes that exist alone.
"""

from collections.abc import Mapping
from typing import Any

# Node, former name of the input: the current one.
INPUTS = {("SD2DepthEstimate", "smoothing"): "smooth"}
# Node, input by its current name, former option: the current one.
OPTIONS = {("SD2DepthEstimate", "normalize", "each picture"): "per image"}


def with_current_names(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """A workflow in the API format, whatever is in it, under the current names."""
    return {key: _renamed(node) for key, node in prompt.items()}


def _renamed(node: Any) -> Any:
    if not isinstance(node, dict) or not isinstance(node.get("inputs"), dict):
        return node
    kind, given = str(node.get("class_type")), node["inputs"]
    former = {INPUTS[kind, name]: value for name, value in given.items() if (kind, name) in INPUTS}
    present = {name: value for name, value in given.items() if (kind, name) not in INPUTS}
    inputs = {
        name: OPTIONS.get((kind, name, value), value) if isinstance(value, str) else value
        for name, value in {
            **former,
            **present,
        }.items()  # where both are given, the current one counts
    }
    return {**node, "inputs": inputs}
