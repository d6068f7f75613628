"""An extension of ComfyUI for these tests: it takes SD2 without depth in any width.

ComfyUI's own classes ask for the widths of the real model, or for its number of layers.
"""

import comfy.sd
import comfy.supported_models
import comfy.text_encoders.sd2_clip as sd2_clip


class SmallSD2(comfy.supported_models.SD20):
    """SD2-base, told by its four channels and linear projections."""

    unet_config = {
        "in_channels": 4,
        "use_linear_in_transformer": True,
        "adm_in_channels": None,
        "use_temporal_attention": False,
    }


comfy.supported_models.models.insert(0, SmallSD2)


# --- a text encoder in a file of its own ---------------------------------------------------------

WIDTH, LAYERS = 64, 3  # of the miniature
detect, Original = comfy.sd.detect_te_model, sd2_clip.SD2ClipModel


class SmallClip(Original):
    """The miniature's text tower."""

    def __init__(self, *args, model_options=None, **kwargs):
        widths = {
            "hidden_size": WIDTH,
            "intermediate_size": 4 * WIDTH,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": 1,
        }
        options = {"clip_h_model_config": widths, **(model_options or {})}
        super().__init__(*args, model_options=options, **kwargs)


def detect_small(sd):
    """ComfyUI goes by the number of layers."""
    table = sd.get("text_model.embeddings.token_embedding.weight")
    is_small = table is not None and table.shape[1] == WIDTH
    sd2_clip.SD2ClipModel = SmallClip if is_small else Original
    return comfy.sd.TEModel.CLIP_H if is_small else detect(sd)


comfy.sd.detect_te_model = detect_small
NODE_CLASS_MAPPINGS = {}
