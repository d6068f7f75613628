"""An extension of ComfyUI for these tests: it takes SD2 without depth in any width.

ComfyUI's own class asks for the widths of the real model.
"""

import comfy.supported_models


class SmallSD2(comfy.supported_models.SD20):
    """SD2-base, told by its four channels and linear projections."""

    unet_config = {
        "in_channels": 4,
        "use_linear_in_transformer": True,
        "adm_in_channels": None,
        "use_temporal_attention": False,
    }


comfy.supported_models.models.insert(0, SmallSD2)
NODE_CLASS_MAPPINGS = {}
