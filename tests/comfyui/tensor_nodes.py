"""An extension of ComfyUI, and of the engine, for these tests: values in and out, bit for bit."""

# ruff: noqa: N802 - INPUT_TYPES is ComfyUI's name

import torch


class _Anything(str):
    """A type that fits every socket; ComfyUI compares types with !=."""

    __slots__ = ()

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = str.__hash__


ANYTHING = _Anything("*")


class TestGive:
    """What lies in a file of torch's: a tensor, a LATENT, a CONDITIONING."""

    RETURN_TYPES = (ANYTHING,)
    FUNCTION = "execute"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"path": ("STRING", {})}}

    def execute(self, path):
        return (torch.load(path),)


class TestText:
    """A text that fits every socket, as other packs' nodes for batches give it."""

    RETURN_TYPES = (ANYTHING,)
    FUNCTION = "execute"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {})}}

    def execute(self, text):
        return (text,)


class TestKeep:
    """Anything into a file of torch's."""

    RETURN_TYPES = ()
    FUNCTION = "execute"
    OUTPUT_NODE = True
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": (ANYTHING,), "path": ("STRING", {})}}

    def execute(self, value, path):
        torch.save(value, path)
        return {"ui": {}}


NODE_CLASS_MAPPINGS = {"TestGive": TestGive, "TestKeep": TestKeep, "TestText": TestText}
