"""The depth map that a conditioning must have, for both hosts."""

from collections.abc import Mapping
from typing import Any

from ..sampling.depth_channel import DepthCondition, MissingDepthError, find_depth


def required_depth(values: Mapping[str, Any], which: str) -> DepthCondition:
    """`find_depth`, with what to do: stock samplers raise it too, and know no `nodes.remedies`."""
    try:
        return find_depth(values, which)
    except MissingDepthError as error:
        raise MissingDepthError(
            f'{error}: put the node "Depth Encode" between the text prompts and the sampler'
        ) from None
