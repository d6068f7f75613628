"""Paints with `DepthToImage` in ComfyUI's process. Run by test_in_comfyui_python.py.

Runs in ComfyUI's interpreter:
    python paint_in_python.py COMFYUI_FOLDER PACK BASE CHECKPOINT TASKS.npz RESULTS.npz
"""

import asyncio
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

# What is painted here and by the engine; `photo`, `mask` and `depth` stand for arrays.
TASKS: dict[str, dict[str, Any]] = {
    "photo": {"image": "photo", "strength": 0.6},
    "depth": {"depth": "depth", "count": 2},
    "mask": {"image": "photo", "mask": "mask"},
    "crop": {"image": "photo", "mask": "mask", "crop": True, "padding": 8},
    "grey mask": {"image": "photo", "mask": "grey", "strength": 0.8, "content": "noise"},
}
COMMON = {"negative": "blurry", "steps": 2, "seed": 7, "cfg": 4.0, "size": 64}
PROMPT = "a (red:1.2) statue"


def paint(painter: Any, given: dict[str, np.ndarray], task: dict[str, Any]) -> np.ndarray:
    """The results of a task, uint8 [N, H, W, 3]."""
    inputs = {
        key: given[value] if isinstance(value, str) and value in given else value
        for key, value in {**COMMON, **task}.items()
    }
    return np.stack([np.asarray(image) for image in painter(PROMPT, **inputs)])


def main(comfyui: str, pack: str, base: str, checkpoint: str, tasks: str, results: str) -> Any:
    """Load the pack as ComfyUI does, import it by its name, paint."""
    sys.argv = ["main.py", "--cpu", "--fp32-text-enc", "--base-directory", base]
    sys.path.insert(0, comfyui)
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.supported_models

    import nodes

    asyncio.run(nodes.load_custom_node(pack))
    from sd2_depth2img import DepthToImage

    given = dict(np.load(tasks))
    painter = DepthToImage(checkpoint)
    painted = {name: paint(painter, given, task) for name, task in TASKS.items()}
    styled = DepthToImage(checkpoint, lora={"style.safetensors": 0.5})
    painted["lora"] = paint(styled, given, TASKS["depth"])
    painted["by path"] = paint(DepthToImage(Path(base) / "elsewhere"), given, TASKS["depth"])
    painted["estimate"] = painter.estimate(given["photo"])
    steps: list[Any] = []
    last = paint(painter, given, {"depth": "depth", "callback": lambda *step: steps.append(step)})
    (decoded,) = painter.decode(steps[-1][2])
    np.savez(results, **painted)
    known = [model.__name__ for model in comfy.supported_models.models]
    package = sys.modules[DepthToImage.__module__]
    return {
        "host": package.host.__name__.rpartition(".")[2],
        "registered": known.count("SD2Depth"),
        "one package": package.SD2DepthSettings is nodes.NODE_CLASS_MAPPINGS["SD2DepthSettings"],
        "steps": [step[:2] for step in steps],
        "last latent": bool((np.asarray(decoded.resize(last.shape[2:0:-1])) == last[0]).all()),
        "cancelled": _error(lambda: paint(painter, given, {"depth": "depth", "callback": _stop})),
        "device": _error(lambda: DepthToImage(checkpoint, device="cpu")),
        "precision": _error(lambda: DepthToImage(checkpoint, precision="bf16")),
        "missing": _error(lambda: DepthToImage("nowhere.safetensors")),
        "warned": _warned(lambda: paint(painter, given, TASKS["mask"] | {"mask": "small mask"})),
    }


def _stop(*_: Any) -> bool:
    return False


def _error(work: Any) -> str:
    try:
        work()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _warned(work: Any) -> str:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        work()
    return "\n".join(str(one.message) for one in found)


if __name__ == "__main__":
    print("RESULT" + json.dumps(main(*sys.argv[1:])))  # noqa: T201 - this is its answer
