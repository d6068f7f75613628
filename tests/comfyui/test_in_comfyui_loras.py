"""LoRAs in both hosts: the same weights to the bit, the same latents.

ComfyUI's own Save Checkpoint tells what its weights are with a LoRA on them.
"""

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.files.weights import open_weights
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.checkpoints.keymaps import text_keys, unet_keys
from sd2_depth2img.engine.lora import with_lora
from sd2_depth2img.engine.networks import load
from sd2_depth2img.tools.make_checkpoint import MINIATURE

LIMIT = 1e-4  # relative L2 error of a latent
RANK = 4

KOHYA = (".lora_up.weight", ".lora_down.weight")
PEFT = (".lora_B.weight", ".lora_A.weight")
DIFFUSERS = (".lora.up.weight", ".lora.down.weight")


def flat(name):
    return name.replace(".", "_")


def processor(name):
    """Attention as diffusers wrote it at first; ComfyUI knows it by these names only."""
    return name.replace(".to_", ".processor.to_").replace(".to_out.0", ".to_out")


# How a layer is called, given its names in the original layout and in diffusers, and its matrices.
UNET = {
    "kohya": (lambda ldm, diffusers: f"lora_unet_{flat(diffusers)}", KOHYA),
    "kohya, original": (lambda ldm, diffusers: f"lora_unet_{flat(ldm)}", KOHYA),
    "generic": (lambda ldm, diffusers: f"diffusion_model.{ldm}", PEFT),
    "peft": (lambda ldm, diffusers: f"unet.{processor(diffusers)}", PEFT),
    "diffusers": (lambda ldm, diffusers: processor(diffusers), DIFFUSERS),
    "lycoris": (lambda ldm, diffusers: f"lycoris_{flat(diffusers)}", KOHYA),
}
TEXT = {
    "kohya": (lambda name: f"lora_te_{flat(name)}", KOHYA),
    "kohya, original": (lambda name: f"lora_te1_{flat(name)}", KOHYA),
    "generic": (lambda name: f"text_encoders.clip_h.transformer.{name}", PEFT),
    "peft": (lambda name: f"text_encoder.{name}", PEFT),
    "diffusers": (lambda name: f"text_encoder.{name}", DIFFUSERS),
    "lycoris": (
        lambda name: f"text_encoder.{name}",
        (".lora_linear_layer.up.weight", ".lora_linear_layer.down.weight"),
    ),
}


def matrices(shape, seed):
    """Random up and down for a weight; the first convolution's has five channels."""
    generator = torch.Generator().manual_seed(seed)
    up = torch.randn(shape[0], RANK, *(1 for _ in shape[2:]), generator=generator) / 8
    return up, torch.randn(RANK, *shape[1:], generator=generator) / 8


def make_lora(path, spelling, seed=0, alpha=2.0):
    """A LoRA for every layer with a weight matrix, half precision as they are shared."""
    tensors = {}
    shapes = MINIATURE.unet.tensors()
    called, (up, down) = UNET[spelling]
    for number, entry in enumerate(unet_keys(MINIATURE.unet).entries):
        shape = shapes[entry.ldm]
        if len(shape) > 1:
            stem = called(*(n.removesuffix(".weight") for n in (entry.ldm, *entry.diffusers)))
            tensors[stem + up], tensors[stem + down] = matrices(shape, seed + number)
            tensors[f"{stem}.alpha"] = torch.tensor(alpha)
    called, (up, down) = TEXT[spelling]
    shapes = MINIATURE.text.tensors()
    for number, entry in enumerate(text_keys(MINIATURE.text).entries):
        for name in entry.diffusers:
            shape = shapes[entry.ldm]
            if len(shape) > 1 and ".layers." in name:
                stem = called(name.removesuffix(".weight"))
                rows = shape[0] // len(entry.diffusers)
                pair = matrices((rows, *shape[1:]), seed + 1000 + number)
                tensors[stem + up], tensors[stem + down] = pair
                tensors[f"{stem}.alpha"] = torch.tensor(alpha)
    save_file({name: tensor.half() for name, tensor in tensors.items()}, path)
    return path


@pytest.fixture(scope="module")
def lora(comfyui):
    """The name of a LoRA in a spelling; made at first use."""
    folder = comfyui.folder("models/loras")

    def name(spelling, seed=0, **options):
        path = folder / f"{spelling} {seed}.safetensors"
        if not path.exists():
            make_lora(path, spelling, seed, **options)
        return path.name

    return name


def with_loras(graph, *steps):
    """The graph with LoRAs one after the other: (name, strength_model, strength_clip)."""
    for name, strength_model, strength_clip in steps:
        loader = graph.add(
            "LoraLoader",
            model=graph.model,
            clip=graph.clip,
            lora_name=name,
            strength_model=strength_model,
            strength_clip=strength_clip,
        )
        graph.model, graph.clip = loader(0), loader(1)
    return graph


@pytest.fixture
def saved_weights(comfyui):
    """The tensors of ComfyUI's checkpoint of what a graph holds, in the original layout."""

    def run(graph):
        before = set(comfyui.folder("output").rglob("*.safetensors"))
        graph.add(
            "CheckpointSave",
            model=graph.model,
            clip=graph.clip,
            vae=graph.vae,
            filename_prefix="with lora",
        )
        comfyui.run(graph)
        (path,) = set(comfyui.folder("output").rglob("*.safetensors")) - before
        tensors = load_file(path)
        path.unlink()
        return tensors

    return run


def our_weights(comfyui, depth_graph, *steps):
    """The engine's, as its networks read them."""
    path = comfyui.folder("models/checkpoints") / depth_graph.CHECKPOINT
    model, clip, _ = load(Checkpoint.open(path), "cpu")
    for name, *strengths in steps:
        file = open_weights(comfyui.folder("models/loras") / name)
        model, clip = with_lora(file, model, clip, *strengths)
    return {
        name: file.read(name).float()
        for file, part in ((model.checkpoint.file, Part.UNET), (clip.file, Part.TEXT))
        for name in file.tensors
        if name.startswith(part.value) and name.rpartition(".")[2] not in ("logit_scale",)
    }


@pytest.mark.parametrize("spelling", UNET)
def test_the_weights_are_the_same_to_the_bit(comfyui, depth_graph, lora, saved_weights, spelling):
    steps = [(lora(spelling), 0.7, -0.4)]
    theirs = saved_weights(with_loras(depth_graph(encode_depth=False), *steps))
    ours = our_weights(comfyui, depth_graph, *steps)
    plain = our_weights(comfyui, depth_graph)
    changed = 0
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name].float()), name
        changed += not torch.equal(tensor, plain[name])
    assert changed == sum(len(shape) > 1 for shape in MINIATURE.unet.tensors().values()) + 2 * 4


def test_two_loras_one_on_the_other(comfyui, both, depth_graph, lora, saved_weights):
    steps = [(lora("kohya"), 0.7, 0.5), (lora("generic", seed=5), -0.3, 1.5)]
    theirs = saved_weights(with_loras(depth_graph(encode_depth=False), *steps))
    for name, tensor in our_weights(comfyui, depth_graph, *steps).items():
        assert torch.equal(tensor, theirs[name].float()), name


def test_the_latents_are_the_same(both, depth_graph, lora):
    """Also with the UNet alone, and with a strength of 0 on one side."""
    graph = with_loras(depth_graph(encode_depth=False), (lora("kohya"), 0.3, 0.3))
    positive, negative = graph.encode(graph.prompt("a red house"), graph.prompt(""))
    nodes = [graph.save(graph.sample(positive=positive, negative=negative, steps=3))]
    alone = graph.add(
        "LoraLoaderModelOnly", model=graph.model, lora_name=lora("generic", 5), strength_model=0.2
    )
    nodes.append(graph.save(graph.sample(model=alone(), positive=positive, negative=negative)))
    latents = both(graph)
    assert all(latents[node].error < LIMIT for node in nodes)
    assert (latents[nodes[0]].engine - latents[nodes[1]].engine).norm() > 1
