"""The kinds of inputs, and how many of a thousand are of each."""

from collections.abc import Callable, Mapping

from . import depth_files, depth_models, node_inputs, pictures, weights, workflows
from .runner import Maker

KINDS: Mapping[str, Callable[[], Maker]] = {
    "weights": weights.maker,
    "models": depth_models.maker,
    "depth": depth_files.maker,
    "pictures": pictures.maker,
    "workflows": workflows.maker,
    "nodes": node_inputs.maker,
}
SHARES = {
    "weights": 230,
    "models": 20,
    "depth": 200,
    "pictures": 250,
    "workflows": 200,
    "nodes": 100,
}
