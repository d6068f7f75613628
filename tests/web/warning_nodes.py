"""Nodes for the tests of the page, in ComfyUI's custom_nodes: they warn when they are told to."""
# ruff: noqa: N802 - INPUT_TYPES is ComfyUI's name

from server import PromptServer


class SD2DepthTestWarning:
    """Warns with its output, as the nodes of the pack do."""

    CATEGORY = "SD2 Depth/tests"
    FUNCTION = "run"
    OUTPUT_NODE = True
    RETURN_TYPES = ("INT",)

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"text": ("STRING", {"default": ""}), "number": ("INT", {"default": 0})},
            "optional": {"after": ("INT", {"forceInput": True})},
        }

    def run(self, text, number, after=0):
        ui = {"warnings": [text]} if text else {}
        return {"ui": ui, "result": (number,)}


class TestLiveWarning(SD2DepthTestWarning):
    """Warns while it runs, as another pack's sampler does on our MODEL."""

    @classmethod
    def INPUT_TYPES(cls):
        return {**super().INPUT_TYPES(), "hidden": {"node": "UNIQUE_ID"}}

    def run(self, text, number, node, after=0):
        if text:
            detail = {"node": node, "text": text}
            PromptServer.instance.send_sync("sd2_depth2img.warning", detail)
        return {"ui": {}, "result": (number,)}


NODE_CLASS_MAPPINGS = {
    "SD2DepthTestWarning": SD2DepthTestWarning,
    "TestLiveWarning": TestLiveWarning,
}
