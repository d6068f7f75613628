"""UNet, VAE and text encoder out of files of their own, in both hosts; the VAE in tiles too.

Relative L2 errors: networks compute them.
"""

import pytest
import torch
from safetensors.torch import load_file, save_file

from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.checkpoints.keymaps import text_keys, vae_keys
from sd2_depth2img.tools.make_checkpoint import FULL, MINIATURE, random_weights

LIMIT = 1e-4


@pytest.fixture(scope="module")
def part(comfyui, depth_graph):
    """A part of the small checkpoint, its names without a prefix."""

    def read(prefix):
        weights = load_file(comfyui.folder("models/checkpoints") / depth_graph.CHECKPOINT)
        return {n[len(prefix) :]: t for n, t in weights.items() if n.startswith(prefix)}

    return read


def place(comfyui, name):
    """A folder of models, which may not be there yet."""
    folder = comfyui.folder(f"models/{name}")
    folder.mkdir(exist_ok=True)
    return folder


def error(theirs, ours):
    assert theirs.shape == ours.shape
    return ((ours - theirs).norm() / theirs.norm()).item()


# --- UNet and text encoder ------------------------------------------------------------------------


def test_the_unet_alone(comfyui, both, depth_graph, part):
    save_file(part(Part.UNET.value), place(comfyui, "diffusion_models") / "u.safetensors")
    graph = depth_graph()
    loader = graph.add("UNETLoader", unet_name="u.safetensors", weight_dtype="default")
    node = graph.save(graph.sample(model=loader()))
    assert both(graph)[node].error < LIMIT


def in_transformers(tensors):
    """As transformers and diffusers have it: without the layer that SD2 does not use."""
    return dict(text_keys(MINIATURE.text).to_diffusers(tensors.__getitem__))


@pytest.mark.parametrize("layout", ["OpenCLIP", "transformers"])
def test_the_text_encoder_alone(comfyui, run_both, depth_graph, part, layout):
    """Also the newest ComfyUI has the last but one layer from it."""
    tensors = part(Part.TEXT.value)
    tensors = tensors if layout == "OpenCLIP" else in_transformers(tensors)
    name = f"{layout}.safetensors"
    tensors = {n: tensor.contiguous() for n, tensor in tensors.items()}
    save_file(tensors, place(comfyui, "text_encoders") / name)
    graph = depth_graph(encode_depth=False)
    loader = graph.add("CLIPLoader", clip_name=name, type="stable_diffusion", device="cpu")
    graph.clip = loader()
    graph.add("TestKeep", value=graph.prompt("a (red:1.3) cottage by the sea"))
    ((theirs, ours),) = run_both(graph)
    assert error(theirs[0][0], ours[0][0]) < LIMIT


@pytest.mark.slow
def test_the_text_encoder_alone_at_full_size(comfyui, run_both, depth_graph):
    """Which ComfyUI tells by its number of layers, without the help of an extension."""
    tensors = random_weights(FULL.text.tensors(), 0, torch.float16)
    named = dict(text_keys(FULL.text).to_diffusers(tensors.__getitem__))
    path = place(comfyui, "text_encoders") / "full.safetensors"
    save_file({n: tensor.contiguous() for n, tensor in named.items()}, path)
    graph = depth_graph(encode_depth=False)
    loader = graph.add("CLIPLoader", clip_name=path.name, type="stable_diffusion", device="cpu")
    early = graph.add("CLIPSetLastLayer", clip=loader(), stop_at_clip_layer=-24)
    for clip in (loader(), early()):
        graph.clip = clip
        graph.add("TestKeep", value=graph.prompt("a (red:1.3) cottage by the sea"))
    try:
        for theirs, ours in run_both(graph):
            assert error(theirs[0][0], ours[0][0]) < LIMIT
    finally:
        path.unlink()


@pytest.mark.parametrize("layer", [-1, -2, -3, -4, -24])
def test_an_earlier_layer_of_the_text_encoder(comfyui, run_both, depth_graph, layer):
    """The miniature has three; beyond the first, older versions of ComfyUI take the last one.

    Newer ones take the last but one; of the real tower's 24 layers none is beyond the first.
    """
    source = (comfyui.program / "comfy/sd1_clip.py").read_text(encoding="utf-8")
    if layer < -3 and "execution_device" in source:
        pytest.skip("this ComfyUI takes another one")
    graph = depth_graph(encode_depth=False)
    last = graph.add("CLIPSetLastLayer", clip=graph.clip, stop_at_clip_layer=layer)
    plain = graph.prompt("a red cottage")
    graph.clip = last()
    graph.add("TestKeep", value=graph.prompt("a red cottage"))
    graph.add("TestKeep", value=plain)
    ours = []
    for theirs, mine in run_both(graph):
        assert error(theirs[0][0], mine[0][0]) < LIMIT
        ours.append(mine[0][0])
    assert torch.equal(*ours) == (layer == -2)


# --- VAE ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vae_file(comfyui):
    """A VAE in a layout; of the real widths, as Load VAE takes no others."""
    written = []

    def write(layout):
        tensors = random_weights(FULL.vae.tensors(), 0, torch.float16)
        if layout == "diffusers":
            tensors = dict(vae_keys(FULL.vae).to_diffusers(tensors.__getitem__))
            tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        path = place(comfyui, "vae") / f"{layout}.safetensors"
        if not path.exists():
            save_file(tensors, path)
            written.append(path)
        return path.name

    yield write
    for path in written:
        path.unlink()


@pytest.mark.parametrize("layout", ["original", "diffusers"])
def test_the_vae_alone(run_both, give, depth_graph, vae_file, layout):
    graph = depth_graph(encode_depth=False)
    vae = graph.add("VAELoader", vae_name=vae_file(layout))()
    graph["pixels"] = give(torch.rand(1, 64, 96, 3, generator=torch.Generator().manual_seed(0)))
    encoded = graph.add("VAEEncode", pixels=["pixels", 0], vae=vae)
    decoded = graph.add("VAEDecode", samples=encoded(), vae=vae)
    graph.add("TestKeep", value=encoded())
    graph.add("TestKeep", value=decoded())
    latents, images = run_both(graph)
    assert error(*(latent["samples"] for latent in latents)) < LIMIT
    assert error(*images) < LIMIT


TILES = [  # of the encoder and of the decoder, in pixels, and their overlaps
    (64, 0, 64, 0),
    (128, 32, 96, 32),
    (256, 96, 64, 64),  # the decoder's overlap is cut to a quarter of the tile
    (512, 64, 512, 64),  # all in one
]


def test_the_vae_in_tiles(run_both, give, depth_graph):
    """Two images of 136×173 pixels, of which the encoder takes the multiples of 8 in the middle."""
    graph = depth_graph(encode_depth=False)
    graph["pixels"] = give(torch.rand(2, 173, 136, 3, generator=torch.Generator().manual_seed(0)))
    samples = torch.randn(2, 4, 21, 17, generator=torch.Generator().manual_seed(1)) * 5
    graph["latent"] = give({"samples": samples})
    inputs = {"vae": graph.vae, "temporal_size": 64, "temporal_overlap": 8}
    for encoder, overlap, decoder, decoder_overlap in TILES:
        tiles = {"tile_size": encoder, "overlap": overlap}
        encoded = graph.add("VAEEncodeTiled", pixels=["pixels", 0], **inputs, **tiles)
        tiles = {"tile_size": decoder, "overlap": decoder_overlap}
        decoded = graph.add("VAEDecodeTiled", samples=["latent", 0], **inputs, **tiles)
        graph.add("TestKeep", value=encoded())
        graph.add("TestKeep", value=decoded())
    results = iter(run_both(graph))
    for latents, images in zip(results, results, strict=True):
        assert error(*(latent["samples"] for latent in latents)) < LIMIT
        assert error(*images) < 1e-5
        assert latents[1]["samples"].shape == samples.shape
