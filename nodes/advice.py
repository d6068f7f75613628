"""What to do with a model file, in the words of the canvas; `depth2img inspect` prints it too."""

from ..checkpoints.identify.diagnosis import FOLDER, Diagnosis, Family, Kind, Part
from ..depth.networks.kinds import DEPTH_ANYTHING, DEPTH_ANYTHING_3, MOGE


def advice(found: Diagnosis) -> str:
    """What to do with a file, in a sentence or two; for an add-on it depends on the family."""
    if found.kind is Kind.SD2 and found.variant.startswith("768-v"):
        return _VELOCITY
    if found.kind is Kind.SD2_DEPTH and found.layout == FOLDER:
        return "Put it into models/diffusers and choose it in Depth Checkpoint Loader."
    if found.kind is Kind.DEPTH_NETWORK and found.variant in COMFYUIS_NETWORKS:
        return COMFYUIS_NETWORKS[found.variant]
    if (found.variant, found.layout) == (DEPTH_ANYTHING.name, DEPTH_ANYTHING.layout):
        return _ADVICE[Kind.MIDAS]
    use = _ADVICE[found.kind]
    if found.kind not in _ADD_ONS or found.family is Family.SD2:
        return use
    if found.family is None:
        return f"If it is for Stable Diffusion 2, which does not show: {use[0].lower()}{use[1:]}"
    return f"It is for {found.family.value} and does not fit Stable Diffusion 2's depth model."


_ADD_ONS = (Kind.LORA, Kind.CONTROLNET, Kind.EMBEDDING)

_VELOCITY = (
    "It has no depth channel, and predicts velocity where the depth model predicts noise, so that "
    "its style cannot be given to that either: depth-to-image needs a copy of 512-depth-ema."
)
_NEEDS_COPY = "Depth-to-image needs a copy of 512-depth-ema."
_NO_DEPTH = "It has no depth channel: depth-to-image needs a copy of 512-depth-ema."
_OTHER_FAMILY = (
    "It has no depth channel and cannot be given one: depth-to-image needs a copy of "
    "512-depth-ema. For this family there are depth ControlNets."
)

_ADVICE = {
    Kind.SD2_DEPTH: "Put it into models/checkpoints and choose it in Depth Checkpoint Loader.",
    Kind.SD2_DEPTH_UNET: "Put it into models/checkpoints and choose it in Depth Checkpoint "
    "Loader; VAE and text encoder come from Load VAE and Load CLIP, or from another SD2 "
    "checkpoint.",
    Kind.SD2: "It has no depth channel, but a depth model can take over what it was fine-tuned to, "
    "if it was made of 512-base and predicts noise: node Give Depth to SD2 Model, or depth2img "
    "convert --fine-tune and --base.",
    Kind.SD2_INPAINTING: f"{_NO_DEPTH} To inpaint with depth, use that with Encode for "
    "Inpainting; this file is for ComfyUI's Load Checkpoint.",
    Kind.SD2_UNCLIP: f"{_NO_DEPTH} This file is for ComfyUI's unCLIP Checkpoint Loader.",
    Kind.SD2_UPSCALER: f"{_NO_DEPTH} This file enlarges images, in ComfyUI by SD_4XUpscale "
    "Conditioning.",
    Kind.SD1: _OTHER_FAMILY,
    Kind.SDXL: _OTHER_FAMILY,
    Kind.UNKNOWN_UNET: _NEEDS_COPY,
    Kind.OTHER_DIFFUSION: _NEEDS_COPY,
    Kind.LORA: "Put it into models/loras and load it with Load LoRA behind Depth Checkpoint "
    "Loader.",
    Kind.CONTROLNET: "Put it into models/controlnet and load it with Load ControlNet Model; the "
    "depth model can be used with it.",
    Kind.EMBEDDING: "Put it into models/embeddings and write embedding:NAME in a prompt.",
    Kind.VAE: "Put it into models/vae and load it with Load VAE; one for Stable Diffusion 1 or 2 "
    "can be used in place of the checkpoint's.",
    Kind.TEXT_ENCODER: "Put it into models/text_encoders. Stable Diffusion 2 needs OpenCLIP "
    "ViT-H; load it with Load CLIP, type stable_diffusion, if the checkpoint has none inside.",
    Kind.IMAGE_ENCODER: "Put it into models/clip_vision and load it with Load CLIP Vision. "
    "Depth-to-image has no use for it.",
    Kind.MIDAS: "Put it into models/depth and choose it in Load Depth Model.",
    Kind.DEPTH_NETWORK: "Load Depth Model takes it as a folder in models/depth, with its "
    "config.json and preprocessor_config.json.",
    Kind.UNKNOWN: "Depth-to-image has no use for it.",
    Kind.GGUF: f"It is for loaders of its own. {_NEEDS_COPY}",
    Kind.TORCHSCRIPT: "Get the model's plain weights, best as safetensors.",
    Kind.HOSTILE: "Do not give it to any other program.",
    Kind.DAMAGED: "Copy or download it again.",
    Kind.NOT_A_MODEL: "If it should be a model, get another copy, best as safetensors.",
}

# Which nodes of ComfyUI load a depth network, and how their result becomes a depth map.
COMFYUIS_NETWORKS = {
    DEPTH_ANYTHING_3.name: "Put it into models/geometry_estimation, load it with ComfyUI's Load "
    "Depth Anything 3, run it with Run Depth Anything 3, and take depth with the normalization raw "
    "from Render Depth Anything 3: these are distances, which Convert Depth turns into a map for "
    "the input `depth` of Depth Encode. sky_mask or confidence, each of a Render Depth Anything 3 "
    "of its own, go through Convert Image to Mask into the inputs of the same names of Convert "
    "Depth.",
    MOGE.name: "Put it into models/geometry_estimation, load it with ComfyUI's Load MoGe Model, "
    "run it with Run MoGe Inference, and wire depth of Render MoGe Geometry into the input `depth` "
    "of Depth Encode: it is a depth map already, with sky in black.",
}

# What to connect or to use where a checkpoint lacks a part.
ABSENT_PARTS = {
    Part.VAE: "Connect the VAE of another Depth Checkpoint Loader, or of ComfyUI's Load VAE: any "
    "VAE for Stable Diffusion 1 or 2.",
    Part.TEXT: "Connect the CLIP of another Depth Checkpoint Loader, or of ComfyUI's Load CLIP "
    "with the type stable_diffusion: OpenCLIP ViT-H, the text encoder of every Stable Diffusion 2.",
    Part.MIDAS: "Copies are often made without it, and ComfyUI's Save Checkpoint leaves it out. "
    "Use a depth map from a file (Depth Map Loader) or another depth network (Load Depth Model, or "
    "the DEPTH_MODEL of another checkpoint).",
}
