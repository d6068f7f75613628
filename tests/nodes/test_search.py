"""What people type into ComfyUI's search, and which of the nodes they mean.

All frontends find a node whose id, name or alias has every word. First come those whose name begins
with what was typed, shorter names first; then those that have it as a word, and every id has depth.
Aliases count for finding only. `tests/web` looks at the list itself.
"""

import pytest

from sd2_depth2img.nodes import NODES

FIRST = {
    "SD2DepthCheckpointLoader",
    "SD2DepthEstimate",
    "SD2DepthLoad",
    "SD2DepthEncode",
    "SD2DepthSampler",
}

MEANT = {
    "midas": {"SD2DepthEstimate", "SD2DepthModelLoader"},
    "depth anything": {"SD2DepthEstimate", "SD2DepthModelLoader"},
    "depth map": {"SD2DepthEstimate", "SD2DepthLoad", "SD2DepthSave"},
    "load depth": {"SD2DepthLoad", "SD2DepthModelLoader", "SD2DepthCheckpointLoader"},
    "depth to image": {"SD2DepthCheckpointLoader", "SD2DepthEncode", "SD2DepthSampler"},
    "depth2img": {"SD2DepthCheckpointLoader", "SD2DepthEncode", "SD2DepthSampler"},
    "img2img": {"SD2DepthSampler"},
    "ksampler": {"SD2DepthSampler"},
    "inpaint depth": {"SD2DepthUnderMask"},
    "inpaint": {"SD2DepthCrop", "SD2DepthInpaintEncode", "SD2DepthStitch"},
    "exr": {"SD2DepthLoad", "SD2DepthSave"},
    "z pass": {"SD2DepthLoad", "SD2DepthConvert"},
    "depth editor": {"SD2DepthEditor"},
    "paint depth": {"SD2DepthEditor"},
    "parallax": {"SD2DepthParallax"},
    "strength": {"SD2DepthStrengthMap", "SD2DepthStrengthSweep", "SD2DepthSampler"},
    "invert depth": {"SD2DepthAdjust"},
    "foreground": {"SD2DepthRangeMask"},
}


def names(node):
    return [node.__name__, node.DISPLAY_NAME, *node.SEARCH_ALIASES]


def test_the_nodes_that_every_workflow_needs_come_first_for_depth():
    begin = {n.__name__ for n in NODES if n.DISPLAY_NAME.lower().startswith("depth")}
    assert begin == FIRST


@pytest.mark.parametrize("typed", MEANT)
def test_what_people_type_finds_what_they_mean(typed):
    words = typed.split()
    found = {
        node.__name__
        for node in NODES
        if any(all(word in name.lower() for word in words) for name in names(node))
    }
    assert found >= MEANT[typed]


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.__name__)
def test_aliases_are_said_once(node):
    assert len({name.lower() for name in names(node)}) == len(names(node))
