"""The nodes, in menu order. ComfyUI's two mappings are derived from this one list."""

from .compare import SD2DepthFidelity, SD2DepthGrid, SD2DepthPromptList, SD2DepthStrengthSweep
from .conditioning import SD2DepthEncode
from .crop import SD2DepthCrop, SD2DepthPrepare, SD2DepthStitch
from .depth_convert import SD2DepthConvert
from .depth_edit import (
    SD2DepthAdjust,
    SD2DepthFill,
    SD2DepthMerge,
    SD2DepthRangeMask,
    SD2DepthRefine,
)
from .depth_files import SD2DepthLoad, SD2DepthSave
from .estimate import SD2DepthEstimate
from .inpaint import SD2DepthInpaintEncode, SD2DepthStrengthMap, SD2DepthUnderMask
from .load import SD2DepthCheckpointLoader, SD2DepthModelLoader, SD2DepthTransplant
from .preview import SD2DepthParallax, SD2DepthPreview
from .remedies import with_remedies
from .sample import SD2DepthSampler

NODES = (
    SD2DepthCheckpointLoader,
    SD2DepthModelLoader,
    SD2DepthTransplant,
    SD2DepthPrepare,
    SD2DepthEstimate,
    SD2DepthLoad,
    SD2DepthSave,
    SD2DepthPreview,
    SD2DepthParallax,
    SD2DepthAdjust,
    SD2DepthRefine,
    SD2DepthMerge,
    SD2DepthFill,
    SD2DepthRangeMask,
    SD2DepthConvert,
    SD2DepthEncode,
    SD2DepthSampler,
    SD2DepthCrop,
    SD2DepthInpaintEncode,
    SD2DepthUnderMask,
    SD2DepthStrengthMap,
    SD2DepthStitch,
    SD2DepthStrengthSweep,
    SD2DepthPromptList,
    SD2DepthGrid,
    SD2DepthFidelity,
)

NODE_CLASS_MAPPINGS = {node.__name__: with_remedies(node) for node in NODES}
NODE_DISPLAY_NAME_MAPPINGS = {node.__name__: node.DISPLAY_NAME for node in NODES}
