"""ComfyUI's nodes that load parts of a model from files of their own, or change what is loaded."""

from typing import Annotated

from ...checkpoints.files.weights import open_weights
from ...engine.controlnet import load_controlnet
from ...engine.folders import (
    CONTROLNETS,
    DIFFUSION_MODELS,
    LORAS,
    TEXT_ENCODERS,
    VAES,
    model_file_path,
)
from ...engine.lora import with_lora
from ...engine.networks import default_device
from ...engine.parts import load_clip, load_unet, load_vae
from .node_class import Clip, ControlNet, Model, Vae, integer, model_file, node, number

LoraName = Annotated[str, model_file(LORAS)]
Strength = Annotated[float, number(1.0, -100.0, 100.0)]


@node("LoraLoader", "Load LoRA")
def lora_loader(
    model: Model, clip: Clip, lora_name: LoraName, strength_model: Strength, strength_clip: Strength
) -> tuple[Model, Clip]:
    """Both with what a LoRA has learnt."""
    if strength_model == 0 and strength_clip == 0:
        return model, clip
    lora = open_weights(model_file_path(LORAS, lora_name))
    return with_lora(lora, model, clip, strength_model, strength_clip)


@node("LoraLoaderModelOnly", "LoraLoaderModelOnly")
def lora_loader_model_only(model: Model, lora_name: LoraName, strength_model: Strength) -> Model:
    """The UNet alone with it."""
    if strength_model == 0:
        return model
    lora = open_weights(model_file_path(LORAS, lora_name))
    return with_lora(lora, model, None, strength_model)[0]


@node("VAELoader", "Load VAE")
def vae_loader(vae_name: Annotated[str, model_file(VAES)]) -> Vae:
    """A VAE out of a file of its own."""
    return load_vae(model_file_path(VAES, vae_name))


@node("UNETLoader", "Load Diffusion Model")
def unet_loader(
    unet_name: Annotated[str, model_file(DIFFUSION_MODELS)],
    weight_dtype: Annotated[str, (["default"],)],
) -> Model:
    """A UNet out of a file of its own."""
    return load_unet(model_file_path(DIFFUSION_MODELS, unet_name))


@node("CLIPLoader", "Load CLIP")
def clip_loader(
    clip_name: Annotated[str, model_file(TEXT_ENCODERS)],
    type: Annotated[str, (["stable_diffusion"],)],
    device: Annotated[str, (["default", "cpu"],)] = "default",
) -> Clip:
    """A text encoder out of a file of its own."""
    return load_clip(model_file_path(TEXT_ENCODERS, clip_name), on_cpu=device == "cpu")


@node("ControlNetLoader", "Load ControlNet Model")
def controlnet_loader(control_net_name: Annotated[str, model_file(CONTROLNETS)]) -> ControlNet:
    """A ControlNet for Stable Diffusion 2."""
    return load_controlnet(model_file_path(CONTROLNETS, control_net_name), default_device())


@node("CLIPSetLastLayer", "CLIP Set Last Layer")
def clip_set_last_layer(
    clip: Clip, stop_at_clip_layer: Annotated[int, integer(-1, -24, -1)]
) -> Clip:
    """Prompts are read up to this layer; Stable Diffusion 2 was trained with -2."""
    return clip.stopped_at(stop_at_clip_layer)
