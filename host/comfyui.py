"""ComfyUI as a host: the functions of `host/interface.py`. Only `comfyui*.py` import ComfyUI.

Importing it makes SD2's depth model known to ComfyUI: the class `SD2Depth` goes to the front of
ComfyUI's list of models, so that the stock loaders detect the file too and the MODEL is one of
ComfyUI's own, which LoRA loaders, samplers and other packs understand. The folder `models/depth`
becomes known as well.
"""

import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import comfy.model_base
import comfy.model_management
import comfy.model_sampling
import comfy.patcher_extension
import comfy.samplers
import comfy.sd
import comfy.supported_models
import comfy.utils
import folder_paths
import torch
from comfy.cli_args import args
from comfy.model_patcher import ModelPatcher as Model
from comfy.sd import CLIP, VAE
from torch import Tensor

import nodes  # ComfyUI's, not this pack's

from ..checkpoints.add_difference import check_fit, check_prediction, unet_shapes, warn_if_equal
from ..checkpoints.architecture import FULL_VAE, Shape, TextArchitecture, VAEArchitecture
from ..checkpoints.checkpoint import Absent, Checkpoint
from ..checkpoints.files.folders import find_folder, folder_names
from ..checkpoints.files.weights import SafetensorsFile, TensorInfo
from ..checkpoints.identify.diagnosis import Part
from ..depth.networks.model_files import FOLDERS, SUFFIXES, find_model, model_names
from ..disk.sentences import plain
from ..engine import folders as engine_folders
from ..engine.required_depth import required_depth
from ..sampling.depth_channel import Conditioning, MissingDepthError
from ..sampling.latents import Latent, MaskRule, repainted_at
from ..sampling.shortcuts import Shortcuts
from ..sampling.steps import OnStep, watcher
from ..sampling.trained_sizes import warn_of_size
from .comfyui_shortcuts import shorten

T = TypeVar("T")


class SD2DepthModel(comfy.model_base.BaseModel):
    """SD2's UNet with a depth map as fifth input channel."""

    def concat_cond(self, **kwargs: Any) -> Tensor:
        """The depth channel for `noise` [B, 4, h, w]: [B, 1, h, w], -1..1.

        ComfyUI calls this once a pass for every conditioning, with its entries and its
        `prompt_type` (positive or negative) as keywords, and crops the result to its area. Raises
        MissingDepthError for a conditioning without a depth map.
        """
        try:
            depth = required_depth(kwargs, kwargs["prompt_type"])
        except MissingDepthError as error:
            raise plain(error)(str(error)) from None  # the dialog shows the path of another class
        batch, _, height, width = kwargs["noise"].shape
        latent = kwargs.get("latent_image")
        if latent is not None and kwargs["prompt_type"] == "positive":
            warn_of_size(self.model_config.unet_config["model_channels"], latent)
        return depth.channel(batch, height, width).to(kwargs["device"])


class SD2Depth(comfy.supported_models.SD20):
    """How ComfyUI recognises and builds `512-depth-ema` and its kin, of any width.

    Unlike SD20 it does not ask for 320 channels and a context of 1024: no other model has five
    input channels and linear projections around the transformers.
    """

    unet_config = {
        "in_channels": 5,
        "use_linear_in_transformer": True,
        "adm_in_channels": None,
        "use_temporal_attention": False,
    }

    def get_model(
        self, state_dict: Mapping[str, Tensor], prefix: str = "", device: Any = None
    ) -> SD2DepthModel:
        """The network without its weights. ComfyUI's own would be set up for inpainting."""
        return SD2DepthModel(self, model_type=self.model_type(state_dict, prefix), device=device)


def _register(model: type[comfy.supported_models.SD20]) -> None:
    """Put the model at the front of ComfyUI's list, in place of an earlier import's."""
    known = comfy.supported_models.models
    known[:] = [model, *(other for other in known if other.__name__ != model.__name__)]


_register(SD2Depth)


def _register_folder(name: str) -> None:
    """Make a folder below `models` known, beside those that extra_model_paths.yaml names.

    Whoever has registered the name before decides which files ComfyUI lists in it.
    """
    is_new = name not in folder_paths.folder_names_and_paths
    folder_paths.add_model_folder_path(name, str(Path(folder_paths.models_dir, name)))
    if is_new:
        _, extensions = folder_paths.folder_names_and_paths[name]
        extensions.update(SUFFIXES)


_register_folder(FOLDERS[0])


# --- files ---------------------------------------------------------------------------------------


def checkpoint_names() -> list[str]:
    return [*folder_paths.get_filename_list("checkpoints"), *folder_names(_diffusers_places())]


def checkpoint_path(name: str) -> Path:
    _check_below(name, ", ".join(folder_paths.get_folder_paths("checkpoints")))
    if name.endswith("/"):
        return find_folder(name, _diffusers_places())
    spelled = engine_folders.spellings(name)
    paths = (folder_paths.get_full_path("checkpoints", one) for one in spelled)
    path = next((path for path in paths if path is not None), None)
    if path is None:
        folders = ", ".join(folder_paths.get_folder_paths("checkpoints"))
        raise FileNotFoundError(
            f"there is no checkpoint {name!r} in {folders}; put the file there and refresh the "
            "page, or choose another name"
        )
    return Path(path)


def _diffusers_places() -> list[Path]:
    return [Path(place) for place in folder_paths.get_folder_paths("diffusers")]


def depth_model_names() -> list[str]:
    return model_names(_depth_folders())


def depth_model_path(name: str) -> Path:
    _check_below(name, str(_depth_folders()[0]))
    known = depth_model_names()
    spelled = (one for one in engine_folders.spellings(name) if one in known)
    return find_model(next(spelled, name), _depth_folders())


def _depth_folders() -> list[Path]:
    """The registered ones; other packs' below `models` also where these packs are not there."""
    known = folder_paths.folder_names_and_paths
    places = [
        place
        for name in FOLDERS
        for place in (
            folder_paths.get_folder_paths(name)
            if name in known
            else [str(Path(folder_paths.models_dir, name))]
        )
    ]
    return [Path(place) for place in dict.fromkeys(places)]


def input_names(suffixes: tuple[str, ...] = ()) -> list[str]:
    folder = Path(folder_paths.get_input_directory())
    names = [path.name for path in folder.iterdir() if path.is_file()]
    images = folder_paths.filter_files_content_types(names, ["image"])
    return sorted({*images, *(name for name in names if name.lower().endswith(suffixes))})


def input_path(name: str) -> Path:
    bare, base = folder_paths.annotated_filepath(name)
    folder = Path(base or folder_paths.get_input_directory())
    _check_below(bare, folder.name)  # anybody may ask the server for it: no more of its path
    for spelled in engine_folders.spellings(bare):
        path = Path(folder, spelled)
        if os.path.isfile(path):
            return path
    raise FileNotFoundError(
        f"there is no image {bare!r} in the folder {folder.name}; upload it or choose another one"
    )


if "server" in sys.modules:  # some programs use ComfyUI's nodes without its web server
    from .comfyui_server import connect

    connect(input_path)


def _check_below(name: str, folder: str) -> None:
    """Some versions of ComfyUI have no check of their own, others take the dots off the name."""
    if engine_folders.leads_out(name):
        raise ValueError(
            f"{name!r} leads out of the folder {folder}; put the file there, and choose it by its "
            "name"
        )


def output_paths(
    prefix: str,
    count: int,
    width: int,
    height: int,
    suffix: str = ".png",
    place: Literal["output", "temp"] = "output",
) -> tuple[list[Iterator[Path]], str]:
    folder = Path(folder_paths.get_directory_by_type(place))
    return engine_folders.numbered(folder, prefix, count, width, height, suffix)


def preview_folder() -> Path | None:
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def png_text(prompt: Any, extra_pnginfo: Mapping[str, Any] | None) -> dict[str, str]:
    return {} if args.disable_metadata else engine_folders.png_text(prompt, extra_pnginfo)


# --- models --------------------------------------------------------------------------------------


def core_nodes() -> Mapping[str, type]:
    return nodes.NODE_CLASS_MAPPINGS


def running_on(
    device: torch.device | str | None, precision: str | None = None
) -> AbstractContextManager[None]:
    if device is not None:
        raise ValueError(
            f"the device is {str(device)!r}, but here ComfyUI decides where its models run; leave "
            "the device out, and start ComfyUI with --cpu or --cuda-device to choose another"
        )
    if precision is not None:
        raise ValueError(
            f"the precision is {precision!r}, but here ComfyUI decides how its models run; leave "
            "the precision out, and start ComfyUI with --bf16-unet or the like to choose another"
        )
    return nullcontext()


def load_checkpoint(checkpoint: Checkpoint) -> tuple[Model, CLIP | Absent, VAE | Absent]:
    """ComfyUI's own MODEL, CLIP and VAE, of the widths the checkpoint has.

    A .safetensors file goes through ComfyUI's lazy loading; this pack reads everything else:
    folders, other layouts, and the pickles that ComfyUI refuses, without running them.
    """
    stock_vae = checkpoint.vae == FULL_VAE
    options = {
        "output_vae": stock_vae,
        "output_clip": checkpoint.text is not None,
        "embedding_directory": folder_paths.get_folder_paths("embeddings"),
    }
    if checkpoint.text is not None:
        options["te_model_options"] = {"clip_h_model_config": _text_config(checkpoint.text)}
    if _comfyui_reads(checkpoint):
        loaded = comfy.sd.load_checkpoint_guess_config(str(checkpoint.path), **options)
        model, clip, vae = loaded[:3]
    else:
        load = partial(_load_weights, checkpoint, **options)
        model, clip, vae = load()[:3]
        # How newer versions load a model once more, for TorchCompileModel or a second GPU.
        model.cached_patcher_init = (load, (), 0)
    if checkpoint.text is None:
        clip = checkpoint.stand_in(Part.TEXT)
    if checkpoint.vae is None:
        vae = checkpoint.stand_in(Part.VAE)
    elif not stock_vae:
        vae = VAE(sd=checkpoint.read(Part.VAE), config=_vae_config(checkpoint.vae))
    return model, clip, vae


def _comfyui_reads(checkpoint: Checkpoint) -> bool:
    """Whether ComfyUI can read the file itself: safetensors in the original layout.

    ComfyUI goes by the file's name, this pack by its content. Tensors of the text encoder that the
    file lacks would stay uninitialised there.
    """
    name = checkpoint.path.name.lower()
    is_safetensors = isinstance(checkpoint.file, SafetensorsFile)
    return is_safetensors and name.endswith((".safetensors", ".sft")) and not _idle_text(checkpoint)


def _load_weights(checkpoint: Checkpoint, **options: Any) -> tuple:
    present = {Part.UNET: True, Part.VAE: options["output_vae"], Part.TEXT: options["output_clip"]}
    weights = {
        part.value + name: tensor
        for part, is_wanted in present.items()
        if is_wanted
        for name, tensor in checkpoint.read(part).items()
    }
    return comfy.sd.load_state_dict_guess_config({**weights, **_idle_text(checkpoint)}, **options)


def _idle_text(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Zeros for the text encoder's last layer and projection where the file lacks them.

    Nothing that SD2 uses depends on them, but ComfyUI computes them and saves them.
    """
    if checkpoint.text is None:
        return {}
    shapes = checkpoint.text.tensors()
    unused = checkpoint.text.unused() - {"logit_scale"}  # which ComfyUI sets itself
    names = {name: Part.TEXT.value + name for name in unused}
    return {
        full: torch.zeros(shapes[name])
        for name, full in names.items()
        if full not in checkpoint.file.tensors
    }


def _text_config(text: TextArchitecture) -> dict[str, int]:
    """The entries in which a text tower differs from ComfyUI's ViT-H."""
    return {
        "hidden_size": text.width,
        "intermediate_size": text.mlp_width,
        "num_hidden_layers": text.layers,
        "num_attention_heads": text.heads,
        "max_position_embeddings": text.length,
    }


def _vae_config(vae: VAEArchitecture) -> dict[str, Any]:
    """ComfyUI's description of an autoencoder; it guesses the widths of the stock one only."""
    network = {
        "double_z": True,
        "z_channels": vae.latent_channels,
        "resolution": 256,
        "in_channels": 3,
        "out_ch": 3,
        "ch": vae.channels,
        "ch_mult": vae.channel_mult,
        "num_res_blocks": vae.res_blocks,
        "attn_resolutions": [],
        "dropout": 0.0,
    }
    return {"params": {"ddconfig": network, "embed_dim": vae.latent_channels}}


def unet_width(model: Model) -> int:
    _require_depth(model)
    return model.model.model_config.unet_config["model_channels"]


def on_device(network: torch.nn.Module) -> torch.device:
    """Loaded as ComfyUI loads its models; it may move off again, so call this before every use."""
    patcher = _patcher(network)
    # Layers that are not ComfyUI's cannot stay behind on the CPU: all of the network, or nothing.
    comfy.model_management.load_models_gpu([patcher], force_full_load=True)
    return patcher.load_device


_PATCHER = "comfyui_patcher"


def _patcher(network: torch.nn.Module) -> Model:
    """The one ModelPatcher of a network, kept on the network.

    ComfyUI holds its loaded models by weak reference only, and a table from network to patcher
    would keep both alive for ever, because the patcher holds the network.
    """
    if not hasattr(network, _PATCHER):
        patcher = Model(
            network,
            load_device=comfy.model_management.get_torch_device(),
            offload_device=comfy.model_management.unet_offload_device(),
        )
        setattr(network, _PATCHER, patcher)
    return getattr(network, _PATCHER)


def add_difference(model: Model, fine_tune: Model, base: Model, strength: float) -> Model:
    """With the LoRAs that are on each of the three.

    No weights are copied: the clone's patches refer to those of the two others, and ComfyUI
    applies them when it loads the model. Each difference is one nested patch, so that what is
    equal cancels out exactly, in half precision too.
    """
    _require_depth(model)
    shapes = unet_shapes(_infos(_key_patches(model)), "the MODEL at model")
    added, taken = _key_patches(fine_tune), _key_patches(base)
    for other, patches, socket in ((fine_tune, added, "fine_tune"), (base, taken, "base")):
        name = f"the MODEL at {socket}"
        check_fit(shapes, _infos(patches), name)
        prediction = other.get_model_object("model_sampling")
        check_prediction(isinstance(prediction, comfy.model_sampling.V_PREDICTION), name)
    if fine_tune is base or not (fine_tune.patches or base.patches):
        warn_if_equal((added[name][0][0].cpu(), taken[name][0][0].cpu()) for name in shapes)
    differences = {
        _target(name, shape): [*added[name], (-1.0, taken[name], 1.0, None, None)]
        for name, shape in shapes.items()
    }
    result = model.clone()
    result.add_patches(differences, strength)
    return result


_UNET = "diffusion_model."


def _key_patches(model: Model) -> dict[str, list]:
    """What each weight of the UNet is made of: the weight, then the patches on it."""
    patches = model.get_key_patches(_UNET)
    return {name.removeprefix(_UNET): patch for name, patch in patches.items()}


def _infos(patches: Mapping[str, list]) -> dict[str, TensorInfo]:
    weights = {name: patch[0][0] for name, patch in patches.items()}
    return {name: TensorInfo(each.dtype, tuple(each.shape)) for name, each in weights.items()}


def _target(name: str, shape: Shape) -> str | tuple[str, tuple[int, int, int]]:
    """Where add_patches puts a patch; of the first convolution all channels but depth's."""
    key = _UNET + name
    return (key, (1, 0, shape[1])) if name == "input_blocks.0.0.weight" else key


# --- sampling ------------------------------------------------------------------------------------


def sampler_names() -> list[str]:
    return comfy.samplers.KSampler.SAMPLERS


def scheduler_names() -> list[str]:
    return comfy.samplers.KSampler.SCHEDULERS


def sample(
    model: Model,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Conditioning,
    negative: Conditioning,
    latent: Latent,
    denoise: float,
    mask_rule: MaskRule = MaskRule.KSAMPLER,
    depth_guidance: float = 1.0,
) -> Latent:
    _require_depth(model)
    if mask_rule is MaskRule.DIFFERENTIAL and _MASK not in model.model_options:
        # Whoever has set a mask function, Differential Diffusion for example, wants that one.
        model = model.clone()
        model.set_model_denoise_mask_function(_repainted_at)
    if depth_guidance != 1.0:
        model = _with_depth_guidance(model, depth_guidance)
    if (on_step := watcher()) is not None:
        model = _watched(model, on_step)
    (result,) = nodes.common_ksampler(
        model, seed, steps, cfg, sampler_name, scheduler, positive, negative, latent, denoise
    )
    return result


def _watched(model: Model, on_step: OnStep) -> Model:
    """A copy of the MODEL whose runs call `on_step` after every step, then ComfyUI's own callback.

    That is the progress bar, which also looks for Cancel.
    """
    model = model.clone()

    def sample(run: Callable[..., Tensor], guider: Any, sigmas: Tensor, *others: Any) -> Tensor:
        extra_args, callback, *rest = others

        def step(index: int, denoised: Tensor, x: Tensor, count: int) -> None:
            latent = model.model.process_latent_out(denoised.float())
            on_step(index + 1, count, latent.cpu())
            if callback is not None:
                callback(index, denoised, x, count)

        return run(guider, sigmas, extra_args, step, *rest)

    model.add_wrapper(comfy.patcher_extension.WrappersMP.SAMPLER_SAMPLE, sample)
    return model


_MASK = "denoise_mask_function"  # ComfyUI's place for whoever changes the mask from step to step
_BATCH = "sampler_calc_cond_batch_function"  # and for whoever computes the predictions


def _repainted_at(sigma: Tensor, denoise_mask: Tensor, extra_options: Mapping[str, Any]) -> Tensor:
    """The noise mask of one step."""
    return repainted_at(denoise_mask, float(sigma[0]), extra_options["sigmas"].tolist())


def _with_depth_guidance(model: Model, scale: float) -> Model:
    """A copy of the MODEL whose predictions move away from the one without depth.

    A third entry joins ComfyUI's batch of conditionings: the negative one without depth, or the
    positive one where cfg is 1. The difference is added to both predictions, and so once to their
    combination by cfg.
    """
    model = model.clone()
    before = model.model_options.get(_BATCH)

    def guided(args: Mapping[str, Any]) -> list[Tensor]:
        positive, negative = args["conds"]
        reference = 0 if negative is None else 1
        without = [_without_depth(entry) for entry in args["conds"][reference]]
        if before is None:
            *predictions, flat = _compute(args, [positive, negative, without])
        else:  # another pack's, which expects two
            predictions, (flat,) = before(args), _compute(args, [without])
        more_depth = (predictions[reference] - flat) * (scale - 1.0)
        return [guess + more_depth for guess in predictions]

    model.model_options = {**model.model_options, _BATCH: guided}
    return model


def _compute(args: Mapping[str, Any], conds: list) -> list[Tensor]:
    return comfy.samplers.calc_cond_batch(
        args["model"], conds, args["input"], args["sigma"], args["model_options"]
    )


def _without_depth(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of one of ComfyUI's prepared conditionings with zeros for its depth channel."""
    depth = entry["model_conds"]["c_concat"]
    flat = type(depth)(torch.zeros_like(depth.cond))
    # What is kept from step to step, by EasyCache for example, goes by this id.
    own = uuid.uuid5(entry["uuid"], "without depth")
    return {**entry, "uuid": own, "model_conds": {**entry["model_conds"], "c_concat": flat}}


def with_shortcuts(model: Model, shortcuts: Shortcuts) -> Model:
    _require_depth(model)
    return shorten(model, shortcuts)


def _require_depth(model: Model) -> None:
    if not isinstance(model.model, SD2DepthModel):
        config = model.model.model_config
        channels = config.unet_config.get("in_channels")
        inputs = "" if channels is None else f" with {channels} input channels"
        raise ValueError(
            f"this MODEL is {type(config).__name__}{inputs}, which takes no depth map; connect the "
            "MODEL of Depth Checkpoint Loader, or of a LoRA loader behind it"
        )


def progress(items: Sequence[T], description: str) -> Iterator[T]:
    """With ComfyUI's progress bar on the node, which shows no description."""
    bar = comfy.utils.ProgressBar(len(items))
    for item in items:
        comfy.model_management.throw_exception_if_processing_interrupted()
        yield item
        bar.update(1)
