"""The kinds of model files people have, as they call them, and what to do with each."""

from enum import Enum


class Part(str, Enum):
    """The prefix under which each part of the checkpoint lies."""

    UNET = "model.diffusion_model."
    VAE = "first_stage_model."
    TEXT = "cond_stage_model.model."
    MIDAS = "depth_model.model."


class Kind(str, Enum):
    """What a file is, as people call it."""

    SD2_DEPTH = "Stable Diffusion 2 depth checkpoint"
    SD2_DEPTH_UNET = "UNet of a Stable Diffusion 2 depth model, without VAE and text encoder"
    SD2 = "Stable Diffusion 2 checkpoint"
    SD2_INPAINTING = "Stable Diffusion 2 inpainting checkpoint"
    SD2_UNCLIP = "Stable Diffusion 2 unCLIP checkpoint"
    SD2_UPSCALER = "Stable Diffusion 2 x4 upscaler"
    SD1 = "Stable Diffusion 1.5 checkpoint"
    SD1_INPAINTING = "Stable Diffusion 1.5 inpainting checkpoint"
    SDXL = "Stable Diffusion XL checkpoint"
    SDXL_INPAINTING = "Stable Diffusion XL inpainting checkpoint"
    SDXL_REFINER = "Stable Diffusion XL refiner"
    UNKNOWN_UNET = "diffusion UNet of an unknown kind"
    OTHER_DIFFUSION = "diffusion model of another family"
    LORA = "LoRA"
    CONTROLNET = "ControlNet"
    T2I_ADAPTER = "T2I adapter"
    EMBEDDING = "textual inversion embedding"
    VAE = "VAE"
    TEXT_ENCODER = "text encoder"
    IMAGE_ENCODER = "image encoder"
    MIDAS = "MiDaS depth network"
    DEPTH_NETWORK = "depth network"
    UNKNOWN = "file of tensors that form no known model"
    # What has no tensors that can be read.
    GGUF = "GGUF file"
    TORCHSCRIPT = "TorchScript archive"
    HOSTILE = "hostile pickle"
    DAMAGED = "damaged or cut-off file"
    NOT_A_MODEL = "file without a model in it"


class Family(str, Enum):
    """Which of the diffusion models something belongs to."""

    SD1 = "Stable Diffusion 1.5"
    SD2 = "Stable Diffusion 2"
    SDXL = "Stable Diffusion XL"
    OTHER = "another family"


def advice(kind: Kind, family: Family | None = None) -> str:
    """What to do with a file of a kind; for an add-on it depends on the family."""
    for_sd2 = family is Family.SD2 or (family is None and kind is not Kind.T2I_ADAPTER)
    if kind in _ADD_ONS and not for_sd2:
        whose = f"for {family.value}" if family else "for other models"
        return f"It is {whose} and does not fit Stable Diffusion 2's depth model."
    if kind in _ADD_ONS and family is None:
        use = _ADVICE[kind]
        return f"If it is for Stable Diffusion 2, which does not show: {use[0].lower()}{use[1:]}"
    return _ADVICE[kind]


# Of Stable Diffusion 2 768-v, which is of the same kind as its base.
VELOCITY = (
    "It has no depth channel, and predicts velocity where the depth model predicts noise, so that "
    "neither its style can be given to that: depth-to-image needs a copy of 512-depth-ema."
)

# Of SD2_DEPTH in the layout of diffusers.
DEPTH_FOLDER = "Put it into models/diffusers and choose it in Load SD2 Depth Checkpoint."

_COPY = "Copy or download it again."
_DEPTH_COPY = "It has no depth channel: depth-to-image needs a copy of 512-depth-ema."
_OTHER = (
    "It has no depth channel and cannot be given one: depth-to-image needs a copy of "
    "512-depth-ema. For this family there are depth ControlNets."
)
_ADD_ONS = (Kind.LORA, Kind.CONTROLNET, Kind.T2I_ADAPTER, Kind.EMBEDDING)

_ADVICE = {
    Kind.SD2_DEPTH: "Put it into models/checkpoints and choose it in Load SD2 Depth Checkpoint.",
    Kind.SD2_DEPTH_UNET: "Put it into models/checkpoints and choose it in Load SD2 Depth "
    "Checkpoint; VAE and text encoder come from Load VAE and Load CLIP, or from another SD2 "
    "checkpoint.",
    Kind.SD2: "It has no depth channel, but a depth model can take over what it was fine-tuned to, "
    "if it was made of 512-base and predicts noise: node Give Depth to SD2 Model, or depth2img "
    "convert --fine-tune and --base.",
    Kind.SD2_INPAINTING: _DEPTH_COPY + " To inpaint with depth, use that with Encode for "
    "Inpainting; this file is for ComfyUI's Load Checkpoint.",
    Kind.SD2_UNCLIP: _DEPTH_COPY + " This file is for ComfyUI's unCLIP Checkpoint Loader.",
    Kind.SD2_UPSCALER: _DEPTH_COPY + " This file enlarges images, in ComfyUI by SD_4XUpscale "
    "Conditioning.",
    Kind.SD1: _OTHER,
    Kind.SD1_INPAINTING: _OTHER,
    Kind.SDXL: _OTHER,
    Kind.SDXL_INPAINTING: _OTHER,
    Kind.SDXL_REFINER: _OTHER,
    Kind.UNKNOWN_UNET: "Depth-to-image needs a copy of 512-depth-ema.",
    Kind.OTHER_DIFFUSION: "Depth-to-image needs a copy of 512-depth-ema.",
    Kind.LORA: "Put it into models/loras and load it with Load LoRA behind Load SD2 Depth "
    "Checkpoint.",
    Kind.CONTROLNET: "Put it into models/controlnet and load it with Load ControlNet Model; the "
    "depth model can be used with it.",
    Kind.T2I_ADAPTER: "Put it into models/controlnet and load it with Load ControlNet Model.",
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
    Kind.GGUF: "It is for loaders of its own. Depth-to-image needs a copy of 512-depth-ema.",
    Kind.TORCHSCRIPT: "Get the model's plain weights, best as safetensors.",
    Kind.HOSTILE: "Do not give it to any other program.",
    Kind.DAMAGED: _COPY,
    Kind.NOT_A_MODEL: "If it should be a model, get another copy, best as safetensors.",
}
