"""Says as JSON what ComfyUI makes of the full-size layout. Run by test_in_comfyui_full_width.py.

Runs in ComfyUI's interpreter:
    python recognise_full_size.py COMFYUI_FOLDER PACK TABLE_OF_NAMES_AND_SHAPES
"""

import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import Any


def main(comfyui: str, pack: str, table: str) -> dict[str, Any]:
    """Import ComfyUI on the CPU and the pack in it, twice; look the layout up."""
    sys.argv = ["main.py", "--cpu"]
    sys.path.insert(0, comfyui)
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.supported_models

    import nodes

    asyncio.run(nodes.load_custom_node(pack))
    (host,) = (module for name, module in sys.modules.items() if name.endswith(".host.comfyui"))
    importlib.reload(host)
    known = [model.__name__ for model in comfy.supported_models.models]
    tensors = read(Path(table))
    plain = {**tensors, FIRST: tensors[FIRST][:, :4], V_MARK: tensors[V_MARK].new_zeros(320, **CPU)}
    return {
        "registered": known.count("SD2Depth"),
        **look_up(tensors),
        "without_depth": look_up(plain),
    }


FIRST = "model.diffusion_model.input_blocks.0.0.weight"
# ComfyUI looks at this one's values to tell what a model without depth predicts.
V_MARK = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
CPU = {"device": "cpu"}


def read(table: Path) -> dict[str, Any]:
    """The tensors, without data."""
    import torch

    rows = (line.split("\t") for line in table.read_text().splitlines() if line[0] != "#")
    return {
        name: torch.empty([int(size) for size in shape.split("x") if size], device="meta")
        for name, shape in rows
    }


def look_up(tensors: dict[str, Any]) -> dict[str, Any]:
    """Which model ComfyUI builds, and whether each of its tensors is stored in that shape."""
    import comfy.model_detection
    import torch

    prefix = comfy.model_detection.unet_prefix_from_state_dict(tensors)
    config = comfy.model_detection.model_config_from_unet(tensors, prefix)
    config.set_inference_dtype(torch.float32, None)
    model = config.get_model(tensors, prefix, device="meta")
    built = {prefix + key: value.shape for key, value in model.diffusion_model.state_dict().items()}
    stored = {key: value.shape for key, value in tensors.items() if key.startswith(prefix)}
    return {
        "config": type(config).__name__,
        "model": type(model).__name__,
        "prediction": model.model_type.name,
        "tensors": len(stored),
        "misplaced": sorted(key for key, _ in built.items() ^ stored.items()),
    }


if __name__ == "__main__":
    print("RESULT" + json.dumps(main(*sys.argv[1:])))  # noqa: T201 - this is its answer
