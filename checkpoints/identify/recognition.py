"""Which model the names and shapes of tensors make; what a file is called means nothing.

Names: Stability-AI's ldm and sgm and the files made by them ("original"), diffusers, transformers,
OpenCLIP, MiDaS, kohya's sd-scripts, PEFT, LyCORIS. A rule looks for a few telling tensors, so that
files with tensors missing or beside them are still known for what they are.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ...depth.networks.kinds import kind_of
from ..files.weights import Shape, TensorInfo
from .diagnosis import EMA, Diagnosis, Family, Kind, Part, part_of

Tensors = Mapping[str, TensorInfo]

ORIGINAL, DIFFUSERS, TRANSFORMERS = "original", "diffusers", "transformers"


def identify(tensors: Tensors, metadata: Mapping[str, str] | None = None) -> Diagnosis:
    """Tell what a file is from its tensors' names and shapes.

    Metadata serves only to tell Stable Diffusion 2 base from 768-v, whose shapes are the same.
    """
    found = next((found for rule in _RULES if (found := rule(tensors))), Diagnosis(Kind.UNKNOWN))
    if found.kind is Kind.SD2:
        found = replace(found, variant=_objective(tensors, metadata or {}))
    parts = {
        name: count(part)
        for name, prefixes in _PARTS.items()
        if (part := {n: i for n, i in tensors.items() if n.startswith(prefixes)})
    }
    if not parts and found.kind is not Kind.UNKNOWN:
        whole = "UNet" if found.in_channels is not None else found.kind.value
        parts = {whole: count(tensors)}
    return replace(
        found,
        parts=parts,
        dtypes=dict(Counter(str(i.dtype).removeprefix("torch.") for i in tensors.values())),
        unused=_unused(tensors) if found.kind is Kind.SD2_DEPTH else {},
    )


_PARTS = {
    "UNet": (Part.UNET.value,),
    "VAE": (Part.VAE.value,),
    "text encoder": ("cond_stage_model.", "conditioner.embedders.0.transformer.", "text_encoders."),
    "second text encoder": ("conditioner.embedders.1.", "conditioner.embedders.0.model."),
    "image encoder": ("embedder.model.visual.",),
    "MiDaS depth network": (Part.MIDAS.value,),
    "ControlNet": ("control_model.",),
    "EMA copy of the UNet": (EMA,),
}


def count(tensors: Tensors) -> tuple[int, int]:
    """How many tensors there are, and parameters in them."""
    return len(tensors), sum(math.prod(info.shape) for info in tensors.values())


def _unused(tensors: Tensors) -> dict[str, list[str]]:
    """The tensors of a depth checkpoint that are left alone, by reason."""
    reasons: dict[str, list[str]] = {}
    for name in tensors:
        if name.startswith(EMA):
            reasons.setdefault("EMA copy of the UNet", []).append(name)
        elif _SCHEDULE.fullmatch(name):
            reasons.setdefault("noise schedule, computed anew", []).append(name)
        elif not name.startswith(tuple(part.value for part in Part)):
            reasons.setdefault("not known to belong to the model", []).append(name)
    return reasons


# The buffers of ldm's DDPM; both engines compute the schedule themselves.
_SCHEDULE = re.compile(
    r"betas|(sqrt_|log_|sqrt_recip_|sqrt_recipm1_|sqrt_one_minus_|log_one_minus_)?alphas_cumprod"
    r"(_prev)?|posterior_(variance|log_variance_clipped|mean_coef[12])"
)


# --- UNets ---------------------------------------------------------------------------------------


def _unet(tensors: Tensors) -> Diagnosis | None:
    """A UNet, alone or in a checkpoint."""
    place = find_unet(tensors)
    if place is None:
        return None
    prefix, layout = place
    found = _unet_kind(part_of(tensors, prefix), _FIRST[layout][0])
    alone = prefix != Part.UNET.value
    is_depth = alone and found.kind is Kind.SD2_DEPTH
    kind = Kind.SD2_DEPTH_UNET if is_depth else found.kind
    return replace(found, kind=kind, layout=layout, alone=alone)


def find_unet(tensors: Tensors) -> tuple[str, str] | None:
    """The prefix and the layout of the UNet's names, if there is one."""
    return next((place for place in _UNETS if _begins(tensors, *place)), None)


def _begins(tensors: Tensors, prefix: str, layout: str) -> bool:
    return all(prefix + name in tensors for name in _FIRST[layout])


_UNETS = (
    *((prefix, ORIGINAL) for prefix in (Part.UNET.value, "diffusion_model.", "")),
    *((prefix, DIFFUSERS) for prefix in ("unet.", "")),
)
_FIRST = {
    ORIGINAL: ("input_blocks.0.0.weight",),
    DIFFUSERS: ("conv_in.weight", "time_embedding.linear_1.weight"),
}


def _unet_kind(unet: Tensors, first: str) -> Diagnosis:
    in_channels = _inputs(unet[first].shape)
    context = _inputs(_shape(unet, "attn2.to_k.weight"))
    projection = _shape(unet, "proj_in.weight")
    is_labelled = _any_name(unet, r"^(label_emb|class_embedding|add_embedding)\.")
    is_linear = projection is not None and len(projection) == 2
    kind, family = _UNET_KINDS.get((in_channels, context), (Kind.UNKNOWN_UNET, None))
    # Small checkpoints for tests have a context that no other model has.
    if in_channels == 5 and is_linear and not is_labelled and context not in (768, 1280, 2048):
        kind, family = Kind.SD2_DEPTH, Family.SD2
    if kind is Kind.SD2 and is_labelled:
        kind = Kind.SD2_UNCLIP
    if _any_name(unet, r"\.time_stack\.|temopral_conv|temporal_transformer_blocks\.|temp_convs\."):
        kind, family = Kind.OTHER_DIFFUSION, Family.OTHER  # for video
    return Diagnosis(kind, family, in_channels=in_channels, context_dim=context)


_UNET_KINDS: dict[tuple[int | None, int | None], tuple[Kind, Family | None]] = {
    (4, 768): (Kind.SD1, Family.SD1),
    (9, 768): (Kind.SD1, Family.SD1),
    (4, 1024): (Kind.SD2, Family.SD2),
    (9, 1024): (Kind.SD2_INPAINTING, Family.SD2),
    (7, 1024): (Kind.SD2_UPSCALER, Family.SD2),
    (4, 2048): (Kind.SDXL, Family.SDXL),
    (9, 2048): (Kind.SDXL, Family.SDXL),
    (4, 1280): (Kind.SDXL, Family.SDXL),  # the refiner
}


def predicts_velocity(tensors: Tensors, metadata: Mapping[str, str]) -> bool:
    """Whether a file says that it does, as ComfyUI and the training scripts of others write it.

    Nothing in the shapes tells it: Stable Diffusion 2's 512-base predicts noise, 768-v velocity.
    """
    keys = ("modelspec.predict_key", "modelspec.prediction_type")
    return (
        "v_pred" in tensors
        or any(metadata.get(key) == "v" for key in keys)
        or metadata.get("ss_v_parameterization") == "True"
        or metadata.get("modelspec.architecture", "").startswith("stable-diffusion-v2-768-v")
    )


def _objective(tensors: Tensors, metadata: Mapping[str, str]) -> str:
    if predicts_velocity(tensors, metadata):
        return "768-v, as the file says"
    said = [metadata.get(f"modelspec.{key}") for key in ("predict_key", "prediction_type")]
    if "epsilon" in said or metadata.get("modelspec.architecture") == "stable-diffusion-v2-512":
        return "base, as the file says"
    return "base or 768-v, whose shapes are the same"


# --- Add-ons, and models of other families -------------------------------------------------------

_CONTEXTS = {768: Family.SD1, 1024: Family.SD2, 2048: Family.SDXL, 1280: Family.SDXL}


def _family(context: int | None) -> Family | None:
    """Whose UNet has this context, or whose text encoder this width."""
    return None if context is None else _CONTEXTS.get(context, Family.OTHER)


def _controlnet(tensors: Tensors) -> Diagnosis | None:
    if not _any_name(tensors, _CONTROLNET):
        return None
    context = _inputs(_shape(tensors, "attn2.to_k.weight"))
    return Diagnosis(Kind.CONTROLNET, _family(context) or Family.OTHER, context_dim=context)


_CONTROLNET = (
    r"^(control_model|zero_convs|input_hint_block)\.|^controlnet_(cond_embedding|down_blocks|blocks)\."
    r"|^lllite_|^lora_controlnet"
    r"|^(adapter\.)?body\.0\.(block1|resnets\.0\.block1|in_conv)\.weight"  # T2I adapters
)


def _lora(tensors: Tensors) -> Diagnosis | None:
    """LoRA and its relatives; the inputs of the adapted layers tell what they are for."""
    inputs = {
        match["layer"].replace(".", "_").replace("_processor", ""): info.shape[1]
        for name, info in tensors.items()
        if len(info.shape) > 1 and (match := _LORA_INPUT.fullmatch(name))
    }
    if not inputs and not _any_name(tensors, _LORA_MARK):
        return None
    unet = {w for name, w in inputs.items() if name.endswith(("attn2_to_k", "attn2_to_v"))}
    text = {w for name, w in inputs.items() if re.search(r"text_model.*(_q_proj|_fc1)$", name)}
    family = _family(max(unet or text, default=None))
    if _any_name(tensors, _LORA_OF_OTHERS):
        family = Family.OTHER
    return Diagnosis(Kind.LORA, family, context_dim=max(unet, default=None))


_LORA_INPUT = re.compile(
    r"(?P<layer>.*?)[._](?:lora_down|lora_A|lora\.down|lora_linear_layer\.down|hada_w1_b|diff)"
    r"(?:\.default)?(?:\.weight)?"
)
_LORA_MARK = r"[._](hada_w|lokr_w|oft_blocks|oft_diag|dora_scale|glora|lora_(up|B)\b)"
_LORA_OF_OTHERS = (
    r"(double_blocks|single_blocks|joint_blocks|single_transformer_blocks|lora_te3_|lora_prior_|"
    r"^transformer\.|^lora_transformer_|^diffusion_model\.(blocks|layers)\.)"
)


def _embedding(tensors: Tensors) -> Diagnosis | None:
    shapes = {name: info.shape for name, info in tensors.items()}
    if shapes.keys() == {"clip_g", "clip_l"}:
        return Diagnosis(Kind.EMBEDDING, Family.SDXL)
    if len(shapes) == 1:
        ((name, shape),) = shapes.items()
        if "." not in name and len(shape) in (1, 2) and shape[-1] in (768, 1024, 1280):
            return Diagnosis(Kind.EMBEDDING, _family(shape[-1]))
    return None


def _other_diffusion(tensors: Tensors) -> Diagnosis | None:
    if _any_name(tensors, _OTHERS):
        return Diagnosis(Kind.OTHER_DIFFUSION, Family.OTHER)
    return None


_OTHERS = (
    r"(^|\.)(double_blocks|joint_blocks|joint_transformer_blocks|single_transformer_blocks"
    r"|double_layers)\.0\."  # FLUX, HunyuanVideo, Stable Diffusion 3, AuraFlow
    r"|transformer_blocks\.0\.(img_mod|attn\.add_q_proj)\."  # Qwen-Image, Stable Diffusion 3
    r"|adaln_single\.linear\.|blocks\.0\.cross_attn\.q_linear\."  # PixArt
    r"|blocks\.0\.(cross_attn|attn2)\.norm_k\."  # Wan
    r"|(^|\.)cap(tion)?_embedder\.1\.|mlp_t5\.0\."  # Lumina, Hunyuan-DiT
    r"|clip_txt(_pooled)?_mapper\."  # Stable Cascade
)


# --- Parts ---------------------------------------------------------------------------------------


def _vae(tensors: Tensors) -> Diagnosis | None:
    first = _shape(tensors, "decoder.conv_in.weight")
    if first is None or _shape(tensors, "encoder.conv_in.weight") is None:
        return None
    layout = DIFFUSERS if _any_name(tensors, r"encoder\.down_blocks\.") else ORIGINAL
    if len(first) != 4 or first[1] != 4:  # for video, or as FLUX and Stable Diffusion 3 have it
        return Diagnosis(Kind.VAE, Family.OTHER, f"{first[1]} latent channels", layout)
    is_fourth = _any_name(tensors, r"encoder\.down(_blocks)?\.3\.")  # level: 8 times smaller
    variant = "for Stable Diffusion 1, 2 or XL" if is_fourth else "of the x4 upscaler"
    return Diagnosis(Kind.VAE, None, variant, layout)


def _text_encoder(tensors: Tensors) -> Diagnosis | None:
    width = _inputs(_shape(tensors, "token_embedding.weight"))
    is_clip = _shape(tensors, "embeddings.token_embedding.weight") is not None
    if is_clip or (width is not None and _any_name(tensors, r"transformer\.resblocks\.")):
        layout = TRANSFORMERS if is_clip else "OpenCLIP"
        return Diagnosis(Kind.TEXT_ENCODER, _family(width), "", layout, None, width)
    if _any_name(tensors, r"vision_model\.embeddings\.patch_embedding\.|visual\.conv1\."):
        return Diagnosis(Kind.IMAGE_ENCODER)
    if _any_name(tensors, r"(^|\.)embed_tokens\.weight|block\.0\.layer\.0\.SelfAttention\.q\."):
        return Diagnosis(Kind.TEXT_ENCODER, Family.OTHER, "", TRANSFORMERS)
    return None


def _depth_network(tensors: Tensors) -> Diagnosis | None:
    for prefix in (Part.MIDAS.value, "model.", ""):
        if network := kind_of(part_of(tensors, prefix)):
            kind = Kind.MIDAS if network.is_midas else Kind.DEPTH_NETWORK
            return Diagnosis(kind, None, network.name, network.layout)
    if all(_any_name(tensors, start) for start in (r"^pretrained\.", r"^scratch\.")):
        return Diagnosis(Kind.MIDAS, None, "", ORIGINAL)
    return None


_RULES: tuple[Callable[[Tensors], Diagnosis | None], ...] = (
    _controlnet,
    _unet,
    _lora,
    _other_diffusion,
    _depth_network,
    _vae,
    _text_encoder,
    _embedding,
)


# --- Reading names and shapes --------------------------------------------------------------------


def _shape(tensors: Tensors, suffix: str) -> Shape | None:
    """The shape of the first tensor whose name ends so."""
    return next((info.shape for name, info in tensors.items() if name.endswith(suffix)), None)


def _inputs(shape: Shape | None) -> int | None:
    """How many channels a layer takes in."""
    return shape[1] if shape is not None and len(shape) > 1 else None


def _any_name(tensors: Iterable[str], pattern: str) -> bool:
    expression = re.compile(pattern)
    return any(expression.search(name) for name in tensors)
