"""Every kind of file people have is told by its real names and shapes, and as nothing else."""

import json
import random
import struct
import time
from functools import cache
from pathlib import Path

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from safetensors.torch import save_file

from sd2_depth2img.checkpoints.files.weights import TensorInfo, open_weights
from sd2_depth2img.checkpoints.identify.diagnosis import Diagnosis, Family, Kind, Part
from sd2_depth2img.checkpoints.identify.inspection import diagnose
from sd2_depth2img.checkpoints.identify.recognition import identify
from sd2_depth2img.depth.networks.kinds import NETWORK_KINDS
from sd2_depth2img.nodes.advice import advice
from sd2_depth2img.tests.checkpoints.identify import real_layouts as real

SD1, SD2, SDXL, OTHER = Family.SD1, Family.SD2, Family.SDXL, Family.OTHER


def five_channels(name):
    """A UNet of another family made for depth, with linear projections as SD2's has."""
    config = {**real.CONFIGS[name], "in_channels": 5, "use_linear_projection": True}
    return real.of_diffusers("UNet2DConditionModel", **config)


def text_lora(width):
    return real.kohya(real.clip(width, 12), "lora_te_")


def with_both_texts():
    return {
        **real.kohya(real.clip(768, 12), "lora_te1_"),
        **real.kohya(real.clip(1280, 32), "lora_te2_"),
    }


DIFFUSION = (  # of other families
    ("FluxTransformer2DModel", {"num_layers": 1, "num_single_layers": 1}),
    ("SD3Transformer2DModel", {"num_layers": 2}),
    ("PixArtTransformer2DModel", {"num_layers": 1}),
    ("AuraFlowTransformer2DModel", {"num_mmdit_layers": 1, "num_single_dit_layers": 1}),
    ("WanTransformer3DModel", {"num_layers": 1}),
    ("Lumina2Transformer2DModel", {"num_layers": 1}),
    ("QwenImageTransformer2DModel", {"num_layers": 1}),
    ("HunyuanVideoTransformer3DModel", {"num_layers": 1, "num_single_layers": 1}),
    ("StableCascadeUNet", {}),
)
VIDEO = ("UNetSpatioTemporalConditionModel", "UNet3DConditionModel")
NETWORKS = (
    ("DPTForDepthEstimation", {"is_hybrid": True}, "DPT"),
    ("DepthAnythingForDepthEstimation", {}, "Depth Anything"),
    ("ZoeDepthForDepthEstimation", {}, "ZoeDepth"),
    ("GLPNForDepthEstimation", {}, "GLPN"),
    ("DepthProForDepthEstimation", {}, "Depth Pro"),
)
ORIGINAL, DIFFUSERS, TRANSFORMERS = "original", "diffusers", "transformers"


def depth(part):
    return real.part_of_depth(part.value)


def of_diffusers(name, **settings):
    return lambda: real.of_diffusers(name, **settings)


def of_transformers(name, **settings):
    return lambda: real.of_transformers(name, **settings)


def controlnet(family):
    return real.prefixed("control_model.", real.original(real.controlnet(family)))


# name -> (names and shapes, kind, family, a piece of the variant, layout)
LAYOUTS = {
    "sd2-depth": (real.sd2_depth, Kind.SD2_DEPTH, SD2, "", ORIGINAL),
    "sd2-depth with EMA": (
        *(lambda: real.ema(real.sd2_depth()), Kind.SD2_DEPTH),
        *(SD2, "", ORIGINAL),
    ),
    "sd2-depth UNet": (lambda: depth(Part.UNET), Kind.SD2_DEPTH_UNET, SD2, "", ORIGINAL),
    "sd2-depth UNet, ComfyUI's": (
        *(lambda: real.prefixed("diffusion_model.", depth(Part.UNET)), Kind.SD2_DEPTH_UNET),
        *(SD2, "", ORIGINAL),
    ),
    "sd2-depth UNet, diffusers": (
        *(lambda: real.unet("sd2-depth"), Kind.SD2_DEPTH_UNET),
        *(SD2, "", DIFFUSERS),
    ),
    **{
        f"{name}{suffix}": (build, kind, family, variant, layout)
        for name, kind, family, variant in (
            ("sd1", Kind.SD1, SD1, ""),
            ("sd1-inpainting", Kind.SD1, SD1, ""),
            ("sd2", Kind.SD2, SD2, "base or 768-v"),
            ("sd2-inpainting", Kind.SD2_INPAINTING, SD2, ""),
            ("sd2-unclip-h", Kind.SD2_UNCLIP, SD2, ""),
            ("sd2-upscaler", Kind.SD2_UPSCALER, SD2, ""),
            ("sdxl", Kind.SDXL, SDXL, ""),
            ("sdxl-inpainting", Kind.SDXL, SDXL, ""),
            ("sdxl-refiner", Kind.SDXL, SDXL, ""),
        )
        for suffix, build, layout in (
            ("", lambda name=name: real.checkpoint(name), ORIGINAL),
            (" UNet", lambda name=name: real.original(real.unet(name)), ORIGINAL),
            (" UNet, diffusers", lambda name=name: real.unet(name), DIFFUSERS),
        )
    },
    **{
        f"{name} with five channels{suffix}": (build, Kind.UNKNOWN_UNET, None, "", layout)
        for name in ("sd1", "sdxl", "sdxl-refiner", "sd2-unclip-h", "sd2-upscaler")
        for suffix, build, layout in (
            ("", lambda name=name: five_channels(name), DIFFUSERS),
            (", original", lambda name=name: real.original(five_channels(name)), ORIGINAL),
        )
    },
    "another UNet": (
        *(of_diffusers("UNet2DConditionModel", cross_attention_dim=512), Kind.UNKNOWN_UNET),
        *(None, "", DIFFUSERS),
    ),
    **{
        name: (of_diffusers(name, **settings), Kind.OTHER_DIFFUSION, OTHER, "", "")
        for name, settings in DIFFUSION
    },
    **{name: (of_diffusers(name), Kind.OTHER_DIFFUSION, OTHER, "", DIFFUSERS) for name in VIDEO},
    **{
        f"{family} ControlNet{suffix}": (build, Kind.CONTROLNET, whose, "", "")
        for family, whose in (("sd1", SD1), ("sd2", SD2), ("sdxl", SDXL))
        for suffix, build in (
            ("", lambda family=family: controlnet(family)),
            (", diffusers", lambda family=family: real.controlnet(family)),
        )
    },
    "sd1 ControlNet with its checkpoint": (
        *(lambda: {**real.checkpoint("sd1"), **controlnet("sd1")}, Kind.CONTROLNET),
        *(SD1, "", ""),
    ),
    "FLUX ControlNet": (
        *(of_diffusers("FluxControlNetModel", num_layers=1, num_single_layers=1), Kind.CONTROLNET),
        *(OTHER, "", ""),
    ),
    "T2I adapter": (of_diffusers("T2IAdapter"), Kind.CONTROLNET, OTHER, "", ""),
    "T2I adapter, light": (
        *(of_diffusers("T2IAdapter", adapter_type="light_adapter"), Kind.CONTROLNET),
        *(OTHER, "", ""),
    ),
    **{
        f"{family} LoRA, {how}": (build, Kind.LORA, whose, "", "")
        for family, whose in (("sd1", SD1), ("sd2", SD2), ("sdxl", SDXL))
        for how, build in (
            ("kohya", lambda f=family: real.kohya(real.unet(f), "lora_unet_")),
            ("PEFT", lambda f=family: real.peft(real.unet(f), "unet.")),
            ("diffusers", lambda f=family: real.old_diffusers(real.unet(f))),
            ("LoHa", lambda f=family: real.loha(real.unet(f))),
        )
    },
    # The shapes of a Kronecker product do not tell what it is for.
    "sd2 LoKr": (lambda: real.lokr(real.unet("sd2")), Kind.LORA, None, "", ""),
    "sdxl LoRA, kohya with texts": (
        *(
            lambda: {
                **real.kohya(real.original(real.unet("sdxl")), "lora_unet_"),
                **with_both_texts(),
            },
            Kind.LORA,
        ),
        *(SDXL, "", ""),
    ),
    "sd1 LoRA, text only": (lambda: text_lora(768), Kind.LORA, SD1, "", ""),
    "sd2 LoRA, text only": (lambda: text_lora(1024), Kind.LORA, SD2, "", ""),
    "sdxl LoRA, text only": (with_both_texts, Kind.LORA, SDXL, "", ""),
    "sd2 LoRA, text only, PEFT": (
        *(lambda: real.peft(real.clip(1024, 23), "text_encoder."), Kind.LORA),
        *(SD2, "", ""),
    ),
    "FLUX LoRA": (
        lambda: real.peft(real.of_diffusers(DIFFUSION[0][0], **DIFFUSION[0][1]), "transformer."),
        *(Kind.LORA, OTHER, "", ""),
    ),
    "embedding": (lambda: {"emb_params": (4, 1024)}, Kind.EMBEDDING, SD2, "", ""),
    "embedding as .pt": (lambda: {"*": (2, 1024)}, Kind.EMBEDDING, SD2, "", ""),
    "embedding of sdxl": (
        *(lambda: {"clip_g": (4, 1280), "clip_l": (4, 768)}, Kind.EMBEDDING),
        *(SDXL, "", ""),
    ),
    "VAE": (real.vae, Kind.VAE, None, "for Stable Diffusion 1, 2 or XL", DIFFUSERS),
    "VAE, original": (
        lambda: depth(Part.VAE),
        Kind.VAE,
        None,
        "for Stable Diffusion 1, 2 or XL",
        ORIGINAL,
    ),
    "VAE, with its prefix": (
        *(lambda: real.prefixed(Part.VAE.value, depth(Part.VAE)), Kind.VAE),
        *(None, "for Stable Diffusion 1, 2 or XL", ORIGINAL),
    ),
    "VAE of FLUX": (lambda: real.vae(16), Kind.VAE, OTHER, "16 latent channels", DIFFUSERS),
    "CLIP-L": (lambda: real.clip(768, 12), Kind.TEXT_ENCODER, SD1, "", TRANSFORMERS),
    "CLIP-L, transformers 5": (
        of_transformers("CLIPTextModel", hidden_size=768, num_attention_heads=12),
        *(Kind.TEXT_ENCODER, SD1, "", TRANSFORMERS),
    ),
    "CLIP-H": (lambda: real.clip(1024, 23), Kind.TEXT_ENCODER, SD2, "", TRANSFORMERS),
    "CLIP-H, OpenCLIP": (lambda: depth(Part.TEXT), Kind.TEXT_ENCODER, SD2, "", "OpenCLIP"),
    "CLIP-H, OpenCLIP, whole": (real.whole_open_clip, Kind.TEXT_ENCODER, SD2, "", "OpenCLIP"),
    "CLIP-G": (
        *(lambda: real.clip(1280, 32, projected=True), Kind.TEXT_ENCODER),
        *(SDXL, "", TRANSFORMERS),
    ),
    "T5": (
        of_transformers("T5EncoderModel", num_layers=2, d_model=4096, d_ff=10240, num_heads=64),
        *(Kind.TEXT_ENCODER, OTHER, "", TRANSFORMERS),
    ),
    "CLIP vision": (
        *(of_transformers("CLIPVisionModelWithProjection"), Kind.IMAGE_ENCODER),
        *(None, "", ""),
    ),
    "MiDaS DPT-Hybrid": (
        lambda: depth(Part.MIDAS),
        *(Kind.MIDAS, None, "MiDaS DPT-Hybrid", ORIGINAL),
    ),
    "MiDaS DPT-Hybrid, with its prefix": (
        lambda: real.prefixed(Part.MIDAS.value, depth(Part.MIDAS)),
        *(Kind.MIDAS, None, "MiDaS DPT-Hybrid", ORIGINAL),
    ),
    **{
        name: (
            *(of_transformers(name, **settings), Kind.DEPTH_NETWORK),
            *(None, variant, TRANSFORMERS),
        )
        for name, settings, variant in NETWORKS
    },
    "some tensors": (lambda: {"layer.weight": (3, 3)}, Kind.UNKNOWN, None, "", ""),
}


@cache
def layout(name):
    return LAYOUTS[name][0]()


def infos(shapes, dtype=torch.float32):
    return {name: TensorInfo(dtype, shape) for name, shape in shapes.items()}


def check(diagnosis, name):
    _, kind, family, variant, names = LAYOUTS[name]
    assert (diagnosis.kind, diagnosis.family, diagnosis.layout) == (kind, family, names)
    assert variant in diagnosis.variant
    assert bool(variant) == bool(diagnosis.variant)


def write(path, shapes, dtype="F32", metadata=None):
    """A safetensors file of these tensors, full size, with holes for data."""
    header, end = {"__metadata__": metadata or {"format": "pt"}}, 0
    for name, shape in shapes.items():
        size = torch.Size(shape).numel() * {"F32": 4, "F16": 2}[dtype]
        entry = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        header[name], end = entry, end + size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return path


# --- every kind, and no two confused -------------------------------------------------------------


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_kind_is_told_from_its_real_names_and_shapes(name):
    check(identify(infos(layout(name))), name)


@pytest.mark.parametrize("name", LAYOUTS)
def test_order_type_and_unknown_tensors_change_nothing(name):
    shapes = list(layout(name).items())
    random.Random(0).shuffle(shapes)
    check(identify(infos(dict(shapes), torch.float16)), name)
    strange = {"zzz.unknown.weight": (7, 5), "extra": (1,), "global_step": ()}
    if name.startswith("embedding"):
        return  # which are files with one tensor or two
    check(identify(infos({**strange, **dict(shapes)})), name)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("seed", range(2))
def test_with_a_fifth_of_its_tensors_missing_it_is_still_that_or_unknown(name, seed):
    shapes, kind = layout(name), LAYOUTS[name][1]
    first = Part.UNET.value + "input_blocks.0.0.weight"
    chance = random.Random(seed)
    kept = {n: s for n, s in shapes.items() if n == first or chance.random() < 0.8}
    assert identify(infos(kept)).kind in (kind, Kind.UNKNOWN, Kind.UNKNOWN_UNET)


@pytest.mark.parametrize("name", [*real.CONFIGS, "sd2-depth with EMA"])
def test_without_the_prefix_of_the_unet_it_is_the_same_unet(name):
    stripped = {n.removeprefix(Part.UNET.value): shape for n, shape in layout(name).items()}
    kind = LAYOUTS[name][1]
    assert identify(infos(stripped)).kind is (
        Kind.SD2_DEPTH_UNET if kind is Kind.SD2_DEPTH else kind
    )


@pytest.mark.parametrize("name", ["sd1", "sd2-unclip-h", "sdxl"])
def test_the_derived_original_names_are_real(name):
    """diffusers' converter, which goes the other way, gives back its own names."""
    config = {"class_embed_type": None, "addition_embed_type": None, **real.CONFIGS[name]}
    names = dict.fromkeys(real.original(real.unet(name)), torch.empty(0))
    converted = convert_ldm_unet_checkpoint(
        real.prefixed(Part.UNET.value, names), {**config, "layers_per_block": 2}
    )
    assert converted.keys() == real.unet(name).keys()


def test_the_derived_original_shapes_are_those_of_the_real_depth_model():
    assert real.original(real.unet("sd2-depth")) == real.part_of_depth(Part.UNET.value)


# --- facts ---------------------------------------------------------------------------------------


def test_the_facts_of_the_real_checkpoint():
    told = identify(infos(layout("sd2-depth with EMA"), torch.float16))
    assert (told.in_channels, told.context_dim, told.alone) == (5, 1024, False)
    assert told.parts.keys() == {
        "UNet",
        "VAE",
        "text encoder",
        "MiDaS depth network",
        "EMA copy of the UNet",
    }
    assert told.parts["UNet"] == (686, 865_913_604)
    assert set(told.dtypes) == {"float16"}
    assert told.sentence() == (
        "This is a Stable Diffusion 2 depth checkpoint (5 input channels, context 1024)."
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("sd2 LoRA, kohya", "This is a LoRA for Stable Diffusion 2 (context 1024)."),
        ("CLIP-H", "This is a text encoder for Stable Diffusion 2 (context 1024)."),
        (
            "sd1 UNet",
            "This is a Stable Diffusion 1.5 checkpoint (the UNet alone, 4 input channels, "
            "context 768).",
        ),
        ("MiDaS DPT-Hybrid", "This is a MiDaS depth network (MiDaS DPT-Hybrid)."),
        (
            "sd2-depth UNet",
            "This is a UNet of a Stable Diffusion 2 depth model, without VAE and text encoder "
            "(5 input channels, context 1024).",
        ),
    ],
)
def test_sentences(name, sentence):
    assert identify(infos(layout(name))).sentence() == sentence


@pytest.mark.parametrize(
    ("tensors", "metadata", "says"),
    [
        ({}, {}, "base or 768-v"),
        ({"v_pred": (0,)}, {}, "768-v, as the file says"),
        ({}, {"modelspec.architecture": "stable-diffusion-v2-768-v"}, "768-v, as the file says"),
        ({}, {"modelspec.prediction_type": "epsilon"}, "base, as the file says"),
        ({}, {"ss_v_parameterization": "True"}, "768-v, as the file says"),
    ],
)
def test_stable_diffusion_2_says_base_or_768_v_only_if_the_file_does(tensors, metadata, says):
    told = identify(infos({**layout("sd2"), **tensors}), metadata)
    assert told.kind is Kind.SD2
    assert says in told.variant


def test_every_kind_has_advice():
    for kind in Kind:
        for family in (None, *Family):
            assert advice(Diagnosis(kind, family)).endswith(".")
    assert "Load LoRA" in advice(Diagnosis(Kind.LORA, SD2))
    assert "If it is for Stable Diffusion 2" in advice(Diagnosis(Kind.LORA))
    assert "does not fit" in advice(Diagnosis(Kind.LORA, SDXL))
    assert "Give Depth to SD2 Model" in advice(Diagnosis(Kind.SD2))
    assert "Load VAE" in advice(Diagnosis(Kind.VAE))
    assert "models/depth" in advice(Diagnosis(Kind.MIDAS))


@pytest.mark.parametrize("network", NETWORK_KINDS, ids=lambda network: network.name)
def test_depth_networks_have_the_names_that_their_loader_gives_them(network):
    told = identify(infos(dict.fromkeys(network.has, (1, 1, 1, 1))))
    assert told.variant == network.name
    assert told.kind is (Kind.MIDAS if network.is_midas else Kind.DEPTH_NETWORK)


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sd2-depth", "sdxl", "sd2 LoRA, LoHa", "MiDaS DPT-Hybrid"])
@pytest.mark.parametrize("dtype", ["F32", "F16"])
def test_files_at_full_size_whatever_they_are_called(tmp_path, name, dtype):
    path = write(tmp_path / "photo.jpg", layout(name), dtype)
    told = diagnose(path)
    check(told, name)
    assert set(told.dtypes) == {"float32" if dtype == "F32" else "float16"}
    assert told.problem == ""


def bytes_read():
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


def test_five_gigabytes_take_no_longer_than_their_header(tmp_path):
    path = write(tmp_path / "512-depth-ema.safetensors", layout("sd2-depth"))
    assert path.stat().st_size > 5e9
    diagnose(path)  # imports
    seconds, before = [], bytes_read() if Path("/proc/self/io").is_file() else None
    for _ in range(3):
        start = time.process_time()
        check(diagnose(path), "sd2-depth")
        seconds.append(time.process_time() - start)
    assert min(seconds) < 1
    if before is not None:
        assert bytes_read() - before < 3 * 1_000_000


def test_a_pickle_of_any_size_takes_no_longer_than_its_header(tmp_path):
    weights = {n: torch.empty(s) for n, s in layout("sd2-depth").items()}
    with torch.serialization.skip_data():
        torch.save({"state_dict": weights, "epoch": 1}, tmp_path / "model.ckpt")
    start = time.process_time()
    check(diagnose(tmp_path / "model.ckpt"), "sd2-depth")
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    ("content", "kind", "says"),
    [
        (b"", Kind.NOT_A_MODEL, "it is empty"),
        (b"<!DOCTYPE html><html></html>", Kind.NOT_A_MODEL, "web page"),
        (b"version https://git-lfs.example/spec/v1\noid", Kind.NOT_A_MODEL, "Git LFS pointer"),
        (b"just some words of text", Kind.NOT_A_MODEL, "it is text"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), Kind.NOT_A_MODEL, "neither safetensors nor"),
        (bytes(10_000), Kind.NOT_A_MODEL, "zeros"),
        (b"GGUF\x03\x00\x00\x00" + bytes(100), Kind.GGUF, "GGUF"),
        (b"cos\nsystem\n(S'true'\ntR.", Kind.NOT_A_MODEL, "a pickle, but not one that PyTorch"),
        (b"\x00\x00\x01\x00\x00\x00\x00\x00{", Kind.DAMAGED, "header should take 65,536 bytes"),
    ],
)
def test_what_is_no_model_is_told_too(tmp_path, content, kind, says):
    (tmp_path / "model.safetensors").write_bytes(content)
    told = diagnose(tmp_path / "model.safetensors")
    assert told.kind is kind
    assert says in told.problem
    assert "model.safetensors" in told.problem


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_archive_is_told(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "model.pt")
    assert diagnose(tmp_path / "model.pt").kind is Kind.TORCHSCRIPT


def test_every_kind_has_a_file():
    files = (Kind.GGUF, Kind.TORCHSCRIPT, Kind.HOSTILE, Kind.DAMAGED, Kind.NOT_A_MODEL)
    assert {kind for _, kind, *_ in LAYOUTS.values()} | set(files) == set(Kind)


def test_a_file_that_was_cut_off_says_what_it_should_be(tmp_path):
    path = write(tmp_path / "model.safetensors", layout("sd2-depth"))
    with path.open("r+b") as file:
        file.truncate(1_000_000_000)
    told = diagnose(path)
    assert told.kind is Kind.DAMAGED
    assert told.variant == "by its header: Stable Diffusion 2 depth checkpoint"
    assert "it has 1,000,000,000" in told.problem
    assert "MiDaS depth network" in told.parts


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        diagnose(tmp_path / "gone.safetensors")


# --- folders -------------------------------------------------------------------------------------


def pipeline(folder, unet, scheduler="epsilon", depth=False):
    """A diffusers folder, with holes for data."""
    parts = {"unet": real.unet(unet), "vae": real.vae(), "text_encoder": real.clip(1024, 23)}
    if depth:
        parts["depth_estimator"] = real.of_transformers("DPTForDepthEstimation", is_hybrid=True)
    for name, shapes in parts.items():
        (folder / name).mkdir(parents=True)
        file = "model" if name in ("text_encoder", "depth_estimator") else "diffusion_pytorch_model"
        write(folder / name / f"{file}.safetensors", shapes, "F16")
    index = {name: ["diffusers", "Any"] for name in parts}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "Any", **index}))
    (folder / "scheduler").mkdir()
    settings = json.dumps({"prediction_type": scheduler})
    (folder / "scheduler" / "scheduler_config.json").write_text(settings)
    return folder


def test_a_diffusers_folder(tmp_path):
    told = diagnose(pipeline(tmp_path / "depth", "sd2-depth", depth=True))
    assert (told.kind, told.layout, told.alone) == (Kind.SD2_DEPTH, "diffusers folder", False)
    assert told.parts.keys() == {"UNet", "VAE", "text encoder", "MiDaS depth network"}
    assert told.parts["UNet"] == (686, 865_913_604)
    assert (told.in_channels, told.context_dim, told.problem) == (5, 1024, "")
    assert "models/diffusers" in advice(told)
    assert "models/checkpoints" not in advice(told)


@pytest.mark.parametrize(
    ("scheduler", "says"), [("epsilon", "base, as its"), ("v_prediction", "768-v, as its")]
)
def test_the_scheduler_of_a_folder_tells_768_v(tmp_path, scheduler, says):
    told = diagnose(pipeline(tmp_path / "sd2", "sd2", scheduler))
    assert told.kind is Kind.SD2
    assert says in told.variant


def test_a_folder_with_a_part_missing(tmp_path):
    folder = pipeline(tmp_path / "depth", "sd2-depth")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    told = diagnose(folder)
    assert told.kind is Kind.SD2_DEPTH
    assert "lists vae, whose weights are missing" in told.problem
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    assert diagnose(folder).kind is Kind.DAMAGED


def test_a_part_of_a_folder_that_asks_for_names(tmp_path):
    folder = pipeline(tmp_path / "depth", "sd2-depth")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    weights = {"w": torch.ones(1), "evil": torch.nn.functional.relu}
    torch.save(weights, folder / "vae" / "diffusion_pytorch_model.bin")
    assert diagnose(folder).foreign == ["torch.nn.functional.relu"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("model.safetensors", "DepthAnythingForDepthEstimation"),
        ("pytorch_lora_weights.safetensors", "sd2 LoRA, PEFT"),
        ("adapter_model.safetensors", "sd2 LoRA, PEFT"),
        ("diffusion_pytorch_model.fp16.safetensors", "sd2 ControlNet, diffusers"),
    ],
)
def test_folders_of_one_model(tmp_path, file, name):
    write(tmp_path / file, layout(name), "F16")
    (tmp_path / "config.json").write_text("{}")
    check(diagnose(tmp_path), name)


def test_shards(tmp_path):
    tensors = list(layout("sd2-depth UNet, diffusers").items())
    places = {}
    for number in (1, 2):
        name = f"diffusion_pytorch_model-0000{number}-of-00002.safetensors"
        write(tmp_path / name, dict(tensors[number - 1 :: 2]))
        places |= dict.fromkeys(dict(tensors[number - 1 :: 2]), name)
    index = tmp_path / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    check(diagnose(tmp_path), "sd2-depth UNet, diffusers")
    check(diagnose(index), "sd2-depth UNet, diffusers")
    (tmp_path / name).unlink()
    told = diagnose(tmp_path)
    assert told.kind is Kind.DAMAGED
    assert name in told.problem


def test_other_folders(tmp_path):
    told = diagnose(tmp_path)
    assert told.kind is Kind.NOT_A_MODEL
    assert "holds no weights" in told.problem
    for name in ("a", "b"):
        save_file({"x": torch.ones(1)}, tmp_path / f"{name}.safetensors")
    told = diagnose(tmp_path)
    assert told.kind is Kind.NOT_A_MODEL
    assert "2 weight files (a.safetensors, b.safetensors); name one" in told.problem


def test_old_pickles_and_new_files_are_told_alike(tmp_path):
    weights = {n: torch.zeros(s, dtype=torch.uint8) for n, s in layout("VAE").items()}
    torch.save(weights, tmp_path / "vae.bin", _use_new_zipfile_serialization=False)
    check(diagnose(tmp_path / "vae.bin"), "VAE")
    assert len(open_weights(tmp_path / "vae.bin").tensors) == len(weights)
