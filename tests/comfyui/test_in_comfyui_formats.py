"""Every shape in which a depth model comes, sampled in a real ComfyUI against the plain file."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

UNET, VAE, TEXT, MIDAS = (
    "model.diffusion_model.",
    "first_stage_model.",
    "cond_stage_model.model.",
    "depth_model.model.",
)
FOLDER = "author/peer/"


@pytest.fixture(scope="module")
def weights(comfyui, mini_checkpoint) -> dict[str, torch.Tensor]:
    shutil.copy(mini_checkpoint, comfyui.folder("models/checkpoints") / "peer.safetensors")
    return load_file(mini_checkpoint)


@pytest.fixture(scope="module")
def folder(comfyui, diffusers_folder) -> str:
    """Installed beside a file that differs from it in the slash only."""
    shutil.copytree(diffusers_folder, comfyui.folder("models/diffusers") / FOLDER)
    return FOLDER


@pytest.fixture(scope="module")
def reference(comfyui, depth_graph, weights) -> torch.Tensor:
    """What the plain file samples."""
    return comfyui.latent(_sampled(depth_graph("peer.safetensors")))


def _sampled(graph, **changes):
    graph.save(graph.sample("KSampler", **changes))
    return graph


def _write(comfyui, name: str, weights: dict[str, torch.Tensor]) -> str:
    path = comfyui.folder("models/checkpoints") / name
    if name.endswith(".ckpt"):
        torch.save({"state_dict": weights}, path)
    else:
        save_file(weights, path)
    return name


def _relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).norm() / expected.norm()).item()


def _offered(comfyui, loader: str) -> list[str]:
    return comfyui.get(f"/object_info/{loader}")[loader]["input"]["required"]["ckpt_name"][0]


# --- folders -------------------------------------------------------------------------------------


def test_a_diffusers_folder_is_offered_by_our_loader_alone(comfyui, folder):
    assert _offered(comfyui, "SD2DepthCheckpointLoader").count(folder) == 1
    assert folder not in _offered(comfyui, "CheckpointLoaderSimple")


def test_a_diffusers_folder_gives_the_latents_images_and_depth_of_the_file(
    comfyui, depth_graph, weights, folder
):
    results = []
    for name in ("peer.safetensors", folder):
        graph = depth_graph(name)
        latent = graph.sample("KSampler")
        saved = graph.save(latent)
        again = graph.save(graph.add("VAEEncode", pixels=graph.depth, vae=graph.vae)())
        estimate = graph.add("SD2DepthEstimate", image=graph.depth, depth_model=graph.depth_model)
        shown = [
            graph.add("PreviewImage", images=image())
            for image in (estimate, graph.add("VAEDecode", samples=latent, vae=graph.vae))
        ]
        outputs = comfyui.run(graph)
        latents = [
            load_file(comfyui.file(outputs[node]["latents"][0]))["latent_tensor"]
            for node in (saved, again)
        ]
        images = [comfyui.images(outputs[node])[0] for node in shown]
        results.append(latents + [torch.from_numpy(image.copy()) for image in images])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*results, strict=True))
    assert all(result.float().std() > 0 for result in results[0])


def test_both_hosts_sample_the_same_from_a_folder(both, depth_graph, folder):
    (pair,) = both(_sampled(depth_graph(folder))).values()
    assert pair.error < 1e-4


@pytest.mark.parametrize("name", ["peer.safetensors/", "../diffusers/author/peer/", "/"])
def test_a_name_that_is_not_of_a_folder_in_the_list_is_refused(comfyui, depth_graph, name, folder):
    answer = comfyui.post("/prompt", {"prompt": _sampled(depth_graph(name))})
    assert answer.status_code == 400
    assert ("leads out of" if name[0] in "./" else "no diffusers folder") in answer.text


# --- single files --------------------------------------------------------------------------------


def test_the_ema_copy_is_sampled(comfyui, depth_graph, weights, reference):
    """The UNet's own weights are spoilt, so that using them would show."""
    copies = {
        "model_ema." + name.removeprefix("model.").replace(".", ""): tensor
        for name, tensor in weights.items()
        if name.startswith(UNET)
    }
    spoilt = {n: torch.zeros_like(t) if n.startswith(UNET) else t for n, t in weights.items()}
    name = _write(comfyui, "ema.safetensors", {**spoilt, **copies})
    assert torch.equal(comfyui.latent(_sampled(depth_graph(name))), reference)


@pytest.mark.parametrize(
    ("dtype", "bound"),
    [
        (torch.float16, 2e-3),
        (torch.bfloat16, 2e-2),
        (torch.float8_e4m3fn, 0.3),
        (torch.float8_e5m2, 0.6),
    ],
    ids=str,
)
@pytest.mark.parametrize("suffix", ["safetensors", "ckpt"])
def test_every_stored_type_samples_near_the_full_precision(
    comfyui, depth_graph, weights, reference, dtype, bound, suffix
):
    stored = {name: tensor.to(dtype) for name, tensor in weights.items()}
    name = _write(comfyui, f"{dtype}.{suffix}".removeprefix("torch."), stored)
    error = _relative_error(comfyui.latent(_sampled(depth_graph(name))), reference)
    assert 0 < error < bound


@pytest.mark.parametrize("layout", ["diffusers", "prefixed", "bare"])
def test_a_unet_alone_samples_with_the_other_parts_of_another_file(
    comfyui, depth_graph, weights, reference, diffusers_folder, layout
):
    unet = {name: tensor for name, tensor in weights.items() if name.startswith(UNET)}
    files = {
        "diffusers": load_file(diffusers_folder / "unet/diffusion_pytorch_model.safetensors"),
        "prefixed": unet,
        "bare": {name.removeprefix(UNET): tensor for name, tensor in unet.items()},
    }
    name = _write(comfyui, f"unet {layout}.safetensors", files[layout])
    graph = depth_graph("peer.safetensors")
    alone = graph.add("SD2DepthCheckpointLoader", ckpt_name=name)
    assert torch.equal(comfyui.latent(_sampled(graph, model=alone(0))), reference)


@pytest.mark.parametrize(
    ("part", "node", "inputs", "remedy"),
    [
        (VAE, "VAEDecode", {"samples": "latent", "vae": "vae"}, "Load VAE"),
        (VAE, "VAEEncode", {"pixels": "depth", "vae": "vae"}, "Load VAE"),
        (TEXT, "CLIPTextEncode", {"clip": "clip"}, "Load CLIP with the type stable_diffusion"),
        (TEXT, "CLIPSetLastLayer", {"clip": "clip"}, "Load CLIP with the type stable_diffusion"),
        (TEXT, "LoraLoader", {"model": "model", "clip": "clip"}, "Load CLIP with the type"),
        (
            TEXT,
            "CheckpointSave",
            {"model": "model", "clip": "clip", "vae": "vae"},
            "Load CLIP with the type",
        ),
    ],
)
def test_a_missing_part_is_named_by_the_node_that_uses_it(
    comfyui, depth_graph, weights, part, node, inputs, remedy
):
    _lora(comfyui)
    others = {
        "CLIPTextEncode": {"text": ""},
        "CLIPSetLastLayer": {"stop_at_clip_layer": -2},
        "LoraLoader": {"lora_name": "both.safetensors", "strength_model": 1, "strength_clip": 1},
        "CheckpointSave": {"filename_prefix": "checkpoints/incomplete"},
    }
    rest = {name: tensor for name, tensor in weights.items() if not name.startswith(part)}
    name = _write(comfyui, f"without {part}safetensors", rest)
    graph = depth_graph("peer.safetensors")
    loader = graph.add("SD2DepthCheckpointLoader", ckpt_name=name)
    links = {"model": loader(0), "clip": loader(1), "vae": loader(2)}
    links |= {"latent": graph.latent, "depth": graph.depth}
    given = {key: links[name] for key, name in inputs.items()}
    user = graph.add(node, **given, **others.get(node, {}))
    if node in ("CLIPTextEncode", "CLIPSetLastLayer"):
        clip = user() if node == "CLIPSetLastLayer" else loader(1)
        user = graph.add("CLIPTextEncode", text="", clip=clip)
        graph.save(graph.sample("KSampler", positive=user()))
    elif node == "LoraLoader":
        graph.save(graph.sample("KSampler", model=user()))
    elif node == "VAEEncode":
        graph.save(user())
    elif node == "VAEDecode":
        graph.add("PreviewImage", images=user())
    failure = comfyui.failure(graph)
    assert failure.node == node
    assert f"{name} has no" in failure.message
    assert remedy in failure.message


def test_with_comfyuis_own_vae_the_rest_of_a_file_works(comfyui, depth_graph, weights, reference):
    """Everything but what is missing."""
    rest = {name: tensor for name, tensor in weights.items() if not name.startswith(VAE)}
    name = _write(comfyui, "without vae.safetensors", rest)
    assert torch.equal(comfyui.latent(_sampled(depth_graph(name))), reference)


# --- what ComfyUI saves --------------------------------------------------------------------------


def _lora(comfyui) -> str:
    """For the UNet and the text encoder, with the names of kohya's scripts."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    unet, text = "lora_unet_down_blocks_0_attentions_0", "lora_te_text_model_encoder_layers_0"
    blocks = {
        f"{unet}_transformer_blocks_0_attn2_to_q": (64, 64),
        f"{unet}_transformer_blocks_0_ff_net_0_proj": (512, 64),
        f"{unet}_proj_in": (64, 64),
        f"{text}_self_attn_q_proj": (64, 64),
        f"{text}_mlp_fc1": (256, 64),
    }
    save_file(
        {
            f"{block}.{kind}": tensor
            for block, (outputs, inputs) in blocks.items()
            for kind, tensor in (
                ("lora_down.weight", random(4, inputs)),
                ("lora_up.weight", random(outputs, 4)),
                ("alpha", torch.tensor(1.0)),
            )
        },
        comfyui.folder("models/loras") / "both.safetensors",
    )
    return "both.safetensors"


@pytest.mark.parametrize("source", ["peer.safetensors", FOLDER])
def test_what_is_saved_after_a_lora_samples_as_it_did_before(
    comfyui, both, depth_graph, weights, folder, reference, source
):
    graph = depth_graph(source)
    lora = {"lora_name": _lora(comfyui), "strength_model": 0.7, "strength_clip": 0.7}
    with_lora = graph.add("LoraLoader", model=graph.model, clip=graph.clip, **lora)
    graph.model, graph.clip = with_lora(0), with_lora(1)
    graph.positive, graph.negative = (
        graph.prompt(text) for text in (graph.POSITIVE, graph.NEGATIVE)
    )
    graph.positive, graph.negative = graph.encode(graph.positive, graph.negative)
    prefix = f"checkpoints/lora of {source.strip('/').replace('/', ' ')}"
    parts = {"model": graph.model, "clip": graph.clip, "vae": graph.vae}
    graph.add("CheckpointSave", **parts, filename_prefix=prefix)
    before = comfyui.latent(_sampled(graph))
    assert _relative_error(before, reference) > 1e-2
    name = f"{prefix.removeprefix('checkpoints/')}_00001_.safetensors"
    saved = comfyui.folder("output/checkpoints") / name
    _assert_complete(saved, weights)
    if source == FOLDER:  # which lacks it
        assert not load_file(saved)["cond_stage_model.model.text_projection"].any()
    shutil.copy(saved, comfyui.folder("models/checkpoints") / name)
    (pair,) = both(_sampled(depth_graph(name))).values()
    assert _relative_error(pair.comfyui, before) < 1e-6
    assert pair.error < 1e-4


def test_what_is_saved_after_a_merge_samples_as_it_did_before(
    comfyui, depth_graph, weights, reference
):
    generator = torch.Generator().manual_seed(0)
    other = {n: t + 0.02 * torch.randn(t.shape, generator=generator) for n, t in weights.items()}
    graph = depth_graph("peer.safetensors")
    second = graph.add(
        "SD2DepthCheckpointLoader", ckpt_name=_write(comfyui, "other.safetensors", other)
    )
    merged = graph.add("ModelMergeSimple", model1=graph.model, model2=second(0), ratio=0.5)
    parts = {"model": merged(), "clip": graph.clip, "vae": graph.vae}
    graph.add("CheckpointSave", **parts, filename_prefix="checkpoints/merged")
    before = comfyui.latent(_sampled(graph, model=merged()))
    assert _relative_error(before, reference) > 1e-3
    name = "merged_00001_.safetensors"
    shutil.copy(
        comfyui.folder("output/checkpoints") / name, comfyui.folder("models/checkpoints") / name
    )
    graph = depth_graph(name)
    assert _relative_error(comfyui.latent(_sampled(graph)), before) < 1e-6
    estimate = graph.add("SD2DepthEstimate", image=graph.depth, depth_model=graph.depth_model)
    graph.add("PreviewImage", images=estimate())
    failure = comfyui.failure(graph)
    assert f"{name} has no MiDaS depth network inside" in failure.message
    assert "Save Checkpoint leaves it out" in failure.message


def _assert_complete(path, weights) -> None:
    """Names and shapes of everything but MiDaS are the original's; nothing is left undefined."""
    saved = load_file(path)
    expected = {n: t.shape for n, t in weights.items() if not n.startswith(MIDAS)}
    found = {name: tensor.shape for name, tensor in saved.items() if name in expected}
    assert found == expected
    assert [name for name, tensor in saved.items() if not tensor.isfinite().all()] == []
