"""The nodes, in menu order. ComfyUI's two mappings are derived from this one list."""

from . import (
    compare,
    conditioning,
    crop,
    depth_convert,
    depth_edit,
    depth_editor,
    depth_files,
    depth_viewer,
    estimate,
    inpaint,
    load,
    parallax,
    preview,
    sample,
    settings,
)

NODES = (
    load.SD2DepthCheckpointLoader,
    load.SD2DepthModelLoader,
    load.SD2DepthTransplant,
    settings.SD2DepthSettings,
    crop.SD2DepthPrepare,
    estimate.SD2DepthEstimate,
    depth_files.SD2DepthLoad,
    depth_files.SD2DepthSave,
    depth_editor.SD2DepthEditor,
    preview.SD2DepthPreview,
    depth_viewer.SD2DepthViewer,
    parallax.SD2DepthParallax,
    depth_edit.SD2DepthAdjust,
    depth_edit.SD2DepthRefine,
    depth_edit.SD2DepthMerge,
    depth_edit.SD2DepthFill,
    depth_edit.SD2DepthRangeMask,
    depth_convert.SD2DepthConvert,
    conditioning.SD2DepthEncode,
    sample.SD2DepthSampler,
    crop.SD2DepthCrop,
    inpaint.SD2DepthInpaintEncode,
    inpaint.SD2DepthUnderMask,
    inpaint.SD2DepthStrengthMap,
    crop.SD2DepthStitch,
    compare.SD2DepthStrengthSweep,
    compare.SD2DepthPromptList,
    compare.SD2DepthGrid,
    compare.SD2DepthFidelity,
)

NODE_CLASS_MAPPINGS = {node.__name__: node for node in NODES}
NODE_DISPLAY_NAME_MAPPINGS = {node.__name__: node.DISPLAY_NAME for node in NODES}
