"""An extension of ComfyUI for these tests: it counts the calls of a UNet."""

# ruff: noqa: N802 - INPUT_TYPES is ComfyUI's name

import json
from pathlib import Path

from comfy.patcher_extension import WrappersMP


class TestCount:
    """A MODEL that writes into a file how often its UNet and its deepest layer were called."""

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "execute"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "path": ("STRING", {})}}

    def execute(self, model, path):
        model = model.clone()
        counts = {"calls": 0, "rows": 0, "deep": 0}

        def deep(*_):
            counts["deep"] += 1

        def call(executor, x, *args, **kwargs):
            counts["calls"] += 1
            counts["rows"] += len(x)
            hook = model.model.diffusion_model.middle_block[0].register_forward_hook(deep)
            try:
                return executor(x, *args, **kwargs)
            finally:
                hook.remove()
                Path(path).write_text(json.dumps(counts), encoding="utf-8")

        # Inside of every other wrapper, EasyCache's among them, that may skip the call.
        model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "test_count", call)
        return (model,)


NODE_CLASS_MAPPINGS = {"TestCount": TestCount}
