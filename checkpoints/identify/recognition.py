"""Which model the names and shapes of tensors belong to: one rule for every sort of network.

Names: Stability-AI's ldm and sgm and the files made by them ("original"), diffusers, transformers,
OpenCLIP, MiDaS, kohya's sd-scripts, PEFT, LyCORIS. A rule looks for a few telling tensors, so that
files with tensors missing or beside them are still known for what they are.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ..architecture import Shape
from ..files.weights import TensorInfo
from .kinds import Family, Kind, Part

Tensors = Mapping[str, TensorInfo]

ORIGINAL, DIFFUSERS, TRANSFORMERS = "original", "diffusers", "transformers"


class Found(NamedTuple):
    """What tensors make.

    Attributes:
        kind: the kind of file.
        family: what an add-on or a diffusion model belongs to; None where shapes do not tell.
        variant: which one of its kind.
        layout: whose names its tensors have.
        in_channels, context_dim: of the UNet, None without one.
        alone: whether it is a UNet without the prefix that it has in a checkpoint.
    """

    kind: Kind
    family: Family | None = None
    variant: str = ""
    layout: str = ""
    in_channels: int | None = None
    context_dim: int | None = None
    alone: bool = False


def recognise(tensors: Tensors, metadata: Mapping[str, str] | None = None) -> Found:
    """Tell what tensors make, from their names and shapes; only SD2's objective from metadata."""
    found = next((found for rule in _RULES if (found := rule(tensors))), Found(Kind.UNKNOWN))
    if found.kind is Kind.SD2 and not found.variant:
        return found._replace(variant=_objective(tensors, metadata or {}))
    return found


# --- UNets ---------------------------------------------------------------------------------------


def _unet(tensors: Tensors) -> Found | None:
    """A UNet, alone or in a checkpoint."""
    for prefix, first, layout in _UNETS:
        if f"{prefix}{first}" in tensors and (
            layout == ORIGINAL or f"{prefix}time_embedding.linear_1.weight" in tensors
        ):
            unet = {n[len(prefix) :]: i for n, i in tensors.items() if n.startswith(prefix)}
            found = _unet_kind(unet, first)._replace(layout=layout)
            alone = prefix != Part.UNET.value
            if alone and found.kind is Kind.SD2_DEPTH:
                return found._replace(kind=Kind.SD2_DEPTH_UNET)
            return found._replace(alone=alone)
    return None


_UNETS = (
    (Part.UNET.value, "input_blocks.0.0.weight", ORIGINAL),
    ("diffusion_model.", "input_blocks.0.0.weight", ORIGINAL),
    ("", "input_blocks.0.0.weight", ORIGINAL),
    ("unet.", "conv_in.weight", DIFFUSERS),
    ("", "conv_in.weight", DIFFUSERS),
)


def _unet_kind(unet: Tensors, first: str) -> Found:
    in_channels = _width(unet[first].shape)
    context = _width(_shape(unet, "attn2.to_k.weight"))
    projection = _shape(unet, "proj_in.weight")
    kind = _UNET_KINDS.get((in_channels, context), Kind.UNKNOWN_UNET)
    variant = ""
    is_linear = projection is not None and len(projection) == 2
    if in_channels == 5 and is_linear and context not in _CONTEXTS_OF_OTHERS:
        is_labelled = _any_name(unet, r"^(label_emb|class_embedding|add_embedding)\.")
        kind = Kind.UNKNOWN_UNET if is_labelled else Kind.SD2_DEPTH
    if any(mark in name for name in unet for mark in _VIDEO):
        kind, variant = Kind.OTHER_DIFFUSION, "a video model"
    if kind is Kind.SD2 and _any_name(unet, r"^(label_emb|class_embedding)\."):
        label = _shape(unet, "label_emb.0.0.weight", "class_embedding.linear_1.weight")
        kind, variant = Kind.SD2_UNCLIP, _UNCLIP.get(_width(label), "")
    return Found(kind, _FAMILIES.get(kind), variant, "", in_channels, context)


_UNET_KINDS = {
    (4, 768): Kind.SD1,
    (9, 768): Kind.SD1_INPAINTING,
    (4, 1024): Kind.SD2,
    (9, 1024): Kind.SD2_INPAINTING,
    (7, 1024): Kind.SD2_UPSCALER,
    (4, 2048): Kind.SDXL,
    (9, 2048): Kind.SDXL_INPAINTING,
    (4, 1280): Kind.SDXL_REFINER,
}
# Small checkpoints for tests have any other context.
_CONTEXTS_OF_OTHERS = {context for _, context in _UNET_KINDS} - {1024}
_FAMILIES = {
    **dict.fromkeys((Kind.SD1, Kind.SD1_INPAINTING), Family.SD1),
    **dict.fromkeys((Kind.SDXL, Kind.SDXL_INPAINTING, Kind.SDXL_REFINER), Family.SDXL),
    **{kind: Family.SD2 for kind in Kind if kind.name.startswith("SD2")},
}
_UNCLIP = {1536: "for CLIP ViT-L's image embeddings", 2048: "for OpenCLIP ViT-H's image embeddings"}
_VIDEO = (".time_stack.", "temopral_conv", "temporal_transformer_blocks.", "temp_convs.")


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


# --- Diffusion models without a UNet of Stable Diffusion's ---------------------------------------


def _other_diffusion(tensors: Tensors) -> Found | None:
    for name, *marks in _OTHERS:
        if any(tensor.endswith(tuple(marks)) for tensor in tensors):
            return Found(Kind.OTHER_DIFFUSION, Family.OTHER, name)
    return None


# The first that fits: later ones share names with earlier ones.
_OTHERS = (
    (
        "HunyuanVideo",
        "txt_in.individual_token_refiner.blocks.0.self_attn.qkv.weight",
        "context_embedder.token_refiner.refiner_blocks.0.attn.to_q.weight",
    ),
    ("AuraFlow", "double_layers.0.attn.w1q.weight", "joint_transformer_blocks.0.attn.to_q.weight"),
    ("FLUX", "double_blocks.0.img_attn.qkv.weight", "single_transformer_blocks.0.attn.to_q.weight"),
    ("Qwen-Image", "transformer_blocks.0.img_mod.1.weight"),
    (
        "Stable Diffusion 3",
        "joint_blocks.0.context_block.attn.qkv.weight",
        "transformer_blocks.0.attn.add_q_proj.weight",
    ),
    ("PixArt", "adaln_single.linear.weight", "blocks.0.cross_attn.q_linear.weight"),
    ("Wan", "blocks.0.cross_attn.norm_k.weight", "blocks.0.attn2.norm_k.weight"),
    ("Lumina", "cap_embedder.1.weight", "caption_embedder.1.weight"),
    ("Hunyuan-DiT", "mlp_t5.0.weight"),
    ("Stable Cascade", "clip_txt_mapper.weight", "clip_txt_pooled_mapper.weight"),
)


# --- Add-ons -------------------------------------------------------------------------------------


def _controlnet(tensors: Tensors) -> Found | None:
    for variant, layout, marks in _CONTROLNETS:
        if any(name.startswith(marks) for name in tensors):
            context = _width(_shape(tensors, "attn2.to_k.weight"))
            family = Family.SDXL if "LLLite" in variant else _CONTEXTS.get(context)
            if layout == DIFFUSERS and context is None:
                family = Family.OTHER
            if Part.UNET.value + "out.2.weight" in tensors:
                variant = "with the checkpoint it controls"
            return Found(Kind.CONTROLNET, family, variant, layout, None, context)
    return None


_CONTROLNETS = (
    ("ControlNet-LLLite", ORIGINAL, ("lllite_",)),
    ("Control-LoRA", ORIGINAL, ("lora_controlnet",)),
    ("", ORIGINAL, ("control_model.", "zero_convs.", "input_hint_block.")),
    (
        "",
        DIFFUSERS,
        ("controlnet_cond_embedding.", "controlnet_down_blocks.", "controlnet_blocks."),
    ),
)
_CONTEXTS = {768: Family.SD1, 1024: Family.SD2, 2048: Family.SDXL, 1280: Family.SDXL}


def _t2i_adapter(tensors: Tensors) -> Found | None:
    layout = DIFFUSERS if any(name.startswith("adapter.") for name in tensors) else ORIGINAL
    marks = ("body.0.block1.weight", "body.0.resnets.0.block1.weight", "body.0.in_conv.weight")
    if not any(f"{prefix}{mark}" in tensors for prefix in ("adapter.", "") for mark in marks):
        return None
    # The image is folded by 8 for Stable Diffusion 1 and by 16 for XL, into as many channels.
    folded = _width(_shape(tensors, "conv_in.weight")) or 0
    family = Family.SDXL if folded and folded % 256 == 0 else Family.SD1
    return Found(Kind.T2I_ADAPTER, family, "", layout)


def _lora(tensors: Tensors) -> Found | None:
    inputs = _lora_inputs(tensors)
    if not inputs and not any(_LORA_MARK.search(name) for name in tensors):
        return None
    return Found(
        Kind.LORA,
        _lora_family(tensors, inputs),
        _listed(
            next((name for mark, name in _LORA_ALGORITHMS if _any_name(tensors, mark)), ""),
            "text encoder only" * (bool(inputs) and all("text_model" in name for name in inputs)),
        ),
        next((name for mark, name in _LORA_LAYOUTS if _any_name(tensors, mark)), ""),
        None,
        _lora_context(inputs),
    )


_LORA_MARK = re.compile(
    r"[._](?:hada_w|lokr_w|oft_blocks|oft_diag|dora_scale|glora|lora_(?:up|B)\b)"
)
_LORA_INPUT = re.compile(
    r"(?P<module>.*?)[._](?:lora_down|lora_A|lora\.down|lora_linear_layer\.down|hada_w1_b|diff)"
    r"(?:\.default)?(?:\.weight)?"
)
_LORA_FACTOR = re.compile(r"(?P<module>.*?)\.lokr_w[12](?:_b)?")
_LORA_ALGORITHMS = (
    (r"\.hada_w1", "LoHa"),
    (r"\.lokr_w", "LoKr"),
    (r"\.oft_", "OFT"),
    (r"\.dora_scale", "DoRA"),
)
_LORA_LAYOUTS = (
    (r"^lora_(unet|te|prior)", "kohya"),
    (r"\.lora_A\.", "PEFT"),
    (r"lora\.down|lora_linear_layer", DIFFUSERS),
)


def _lora_inputs(tensors: Tensors) -> dict[str, int]:
    """Inputs of every layer that is adapted, by its name with underscores for dots."""
    inputs: dict[str, int] = {}
    for name, info in tensors.items():
        if len(info.shape) < 2:
            continue
        if match := _LORA_INPUT.fullmatch(name):
            inputs[_module(match)] = info.shape[1]
        elif match := _LORA_FACTOR.fullmatch(name):  # a Kronecker product's widths multiply
            inputs[_module(match)] = inputs.get(_module(match), 1) * info.shape[1]
    return inputs


def _module(match: re.Match[str]) -> str:
    return match["module"].replace(".", "_").replace("_processor", "")


def _lora_context(inputs: Mapping[str, int]) -> int | None:
    places = ("attn2_to_k", "attn2_to_v")
    return next((width for name, width in inputs.items() if name.endswith(places)), None)


def _lora_family(tensors: Tensors, inputs: Mapping[str, int]) -> Family | None:
    if _any_name(tensors, _LORA_OTHERS):
        return Family.OTHER
    if (context := _lora_context(inputs)) is not None:
        return _CONTEXTS.get(context, Family.OTHER)
    if _any_name(tensors, r"^(lora_te[12]_|text_encoder_2\.|lora_te2\.)"):
        return Family.SDXL
    text = {w for name, w in inputs.items() if "text_model" in name and name.endswith("_q_proj")}
    text |= {w for name, w in inputs.items() if "text_model" in name and name.endswith("_fc1")}
    return _CONTEXTS.get(text.pop()) if len(text) == 1 else None


_LORA_OTHERS = (
    r"(double_blocks|single_blocks|joint_blocks|single_transformer_blocks|lora_te3_|lora_prior_|"
    r"^transformer\.|^lora_transformer_|^diffusion_model\.(blocks|layers)\.)"
)


def _embedding(tensors: Tensors) -> Found | None:
    shapes = {name: info.shape for name, info in tensors.items()}
    if shapes.keys() == {"clip_g", "clip_l"}:
        return Found(Kind.EMBEDDING, Family.SDXL)
    if len(shapes) == 1:
        ((name, shape),) = shapes.items()
        if "." not in name and len(shape) in (1, 2) and shape[-1] in (768, 1024, 1280):
            return Found(Kind.EMBEDDING, _CONTEXTS[shape[-1]])
    return None


# --- Parts ---------------------------------------------------------------------------------------


def _vae(tensors: Tensors) -> Found | None:
    first = _shape(tensors, "decoder.conv_in.weight")
    if first is None or _shape(tensors, "encoder.conv_in.weight") is None:
        if _any_name(tensors, r"^(taesd_)?(en|de)coder\.layers\.1\.conv\.0\.weight"):
            return Found(Kind.VAE, None, "a tiny one for previews (TAESD)", DIFFUSERS)
        return None
    layout = DIFFUSERS if _any_name(tensors, r"encoder\.down_blocks\.") else ORIGINAL
    if len(first) != 4:
        return Found(Kind.VAE, Family.OTHER, "for video", layout)
    levels = {m[1] for n in tensors if (m := re.search(r"encoder\.down(?:_blocks)?\.(\d+)\.", n))}
    if first[1] != 4:
        return Found(Kind.VAE, Family.OTHER, f"{first[1]} latent channels, as FLUX and SD3", layout)
    if len(levels) == 3:
        return Found(Kind.VAE, Family.SD2, "of the x4 upscaler, 4x smaller", layout)
    variant = "for Stable Diffusion 1, 2 or XL, whose shapes are the same"
    return Found(Kind.VAE, None, variant, layout)


def _text_encoder(tensors: Tensors) -> Found | None:
    clip = _shape(tensors, "embeddings.token_embedding.weight")
    open_clip = _shape(tensors, "token_embedding.weight")
    image = _shape(tensors, "vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight")
    if clip is None and (open_clip is None or not _any_name(tensors, r"transformer\.resblocks\.")):
        if _any_name(tensors, r"encoder\.block\.0\.layer\.0\.SelfAttention\.q\.weight"):
            return Found(Kind.TEXT_ENCODER, Family.OTHER, "T5", TRANSFORMERS)
        if _any_name(tensors, r"layers\.0\.self_attn\.q_proj\.weight") and _any_name(
            tensors, r"embed_tokens\.weight"
        ):
            return Found(Kind.TEXT_ENCODER, Family.OTHER, "a language model", TRANSFORMERS)
        return Found(Kind.IMAGE_ENCODER, None, "CLIP") if image else None
    width = _width(clip or open_clip)
    variant, family = _TEXT.get(width, (f"CLIP, {width} wide", Family.OTHER))
    layout = TRANSFORMERS if clip else "OpenCLIP"
    return Found(
        Kind.TEXT_ENCODER,
        family,
        _listed(variant, "with its image encoder" * (image is not None)),
        layout,
        None,
        width,
    )


_TEXT = {
    768: ("CLIP ViT-L, of Stable Diffusion 1 and XL", Family.SD1),
    1024: ("OpenCLIP ViT-H, of Stable Diffusion 2", Family.SD2),
    1280: ("OpenCLIP ViT-bigG, of Stable Diffusion XL", Family.SDXL),
}


def _depth_network(tensors: Tensors) -> Found | None:
    for prefix in (Part.MIDAS.value, "model.", ""):
        if f"{prefix}scratch.output_conv.0.weight" in tensors:
            for variant, mark in _MIDAS:
                if prefix + mark in tensors:
                    return Found(Kind.MIDAS, None, variant, ORIGINAL)
    for variant, layout, marks in _DEPTH_NETWORKS:
        if all(any(name.startswith(mark) for name in tensors) for mark in marks):
            return Found(Kind.DEPTH_NETWORK, None, variant, layout)
    if all(any(n.startswith(start) for n in tensors) for start in ("pretrained.", "scratch.")):
        return Found(Kind.MIDAS, None, "", ORIGINAL)
    return None


# The names that depth/estimators.py has for the same files; the first that fits.
_MIDAS = (
    ("MiDaS DPT-Hybrid", "pretrained.model.patch_embed.backbone.stem.conv.weight"),
    ("MiDaS 3.1 BEiT", "pretrained.model.blocks.0.attn.relative_position_bias_table"),
    ("MiDaS 3.1 Swin2-tiny", "pretrained.model.layers.0.blocks.0.attn.logit_scale"),
    ("MiDaS 3.1 Swin", "pretrained.model.layers.0.blocks.0.attn.relative_position_bias_table"),
    ("MiDaS DPT-Large", "pretrained.model.pos_embed"),
    ("MiDaS v2.1 small", "pretrained.layer1.3.0.conv_dw.weight"),
    ("MiDaS v2 on ResNeXt", "pretrained.layer2.0.conv1.weight"),
)
_DEPTH_NETWORKS = (
    (
        "Depth Anything network in its authors' layout",
        ORIGINAL,
        ("pretrained.blocks.0.attn.qkv.weight", "depth_head.projects.0.weight"),
    ),
    ("ZoeDepth network in its authors' layout", ORIGINAL, ("core.core.scratch.layer1_rn.weight",)),
    ("Depth Pro", TRANSFORMERS, ("depth_pro.", "head.")),
    ("GLPN", TRANSFORMERS, ("glpn.encoder.", "decoder.")),
    ("ZoeDepth", TRANSFORMERS, ("neck.fusion_stage.", "metric_head.")),
    ("Depth Anything", TRANSFORMERS, ("neck.fusion_stage.", "backbone.embeddings.", "head.conv1.")),
    ("DPT", TRANSFORMERS, ("neck.fusion_stage.", "head.")),
)

_RULES: tuple[Callable[[Tensors], Found | None], ...] = (
    _controlnet,
    _t2i_adapter,
    _unet,
    _lora,
    _other_diffusion,
    _depth_network,
    _vae,
    _text_encoder,
    _embedding,
)


# --- Reading names and shapes --------------------------------------------------------------------


def _shape(tensors: Tensors, *suffixes: str) -> Shape | None:
    """The shape of the first tensor whose name ends so."""
    return next((info.shape for name, info in tensors.items() if name.endswith(suffixes)), None)


def _width(shape: Shape | None) -> int | None:
    """How many channels a layer takes in."""
    return shape[1] if shape is not None and len(shape) > 1 else None


def _any_name(tensors: Iterable[str], pattern: str) -> bool:
    expression = re.compile(pattern)
    return any(expression.search(name) for name in tensors)


def _listed(*facts: str) -> str:
    return ", ".join(fact for fact in facts if fact)
