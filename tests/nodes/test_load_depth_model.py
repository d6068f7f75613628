"""Load Depth Model: from a name in the dropdown to a network, or to a sentence that helps."""

import re

import pytest
import torch
import transformers
from safetensors.torch import save_file

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.checkpoints.files.holes import FileWithHoles
from sd2_depth2img.checkpoints.files.weights import open_weights
from sd2_depth2img.checkpoints.identify.diagnosis import Part
from sd2_depth2img.checkpoints.identify.inspection import diagnose
from sd2_depth2img.depth.networks.estimators import UnknownDepthModel
from sd2_depth2img.depth.networks.midas_hybrid import DPTHybrid
from sd2_depth2img.depth.networks.transformers_models import TransformersNetwork
from sd2_depth2img.engine import folders
from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS
from sd2_depth2img.nodes.advice import advice
from sd2_depth2img.nodes.estimate import SD2DepthEstimate
from sd2_depth2img.nodes.load import SD2DepthModelLoader


@pytest.fixture
def depth_folder(tmp_path):
    before = folders.current()
    folders.use(folders.Folders.below(tmp_path))
    place = tmp_path / "models" / "depth"
    place.mkdir(parents=True)
    yield place
    folders.use(before)


@pytest.fixture(scope="module")
def midas(mini_checkpoint):
    """The tensors of a small DPT-Hybrid."""
    return Checkpoint.open(mini_checkpoint).read(Part.MIDAS)


def load(name):
    return SD2DepthModelLoader().execute(name)[0]


def listed():
    return SD2DepthModelLoader.INPUT_TYPES()["required"]["model_name"][0]


def test_the_promised_interface():
    node = NODE_CLASS_MAPPINGS["SD2DepthModelLoader"]
    assert list(node.INPUT_TYPES()["required"]) == ["model_name"]
    assert node.RETURN_TYPES == ("DEPTH_MODEL",)


@pytest.mark.parametrize("wrap", [lambda w: w, lambda w: {"optimizer": {}, "model": w}])
def test_midas_is_read_from_its_original_file_and_from_safetensors(
    depth_folder, midas, wrap, photo
):
    torch.save(wrap(midas), depth_folder / "anything.pt")
    save_file(midas, depth_folder / "dpt_large.safetensors")  # its name is wrong on purpose
    assert listed() == ["anything.pt", "dpt_large.safetensors"]
    maps = []
    for name in listed():
        assert SD2DepthModelLoader.VALIDATE_INPUTS(name) is True
        assert isinstance(load(name).network, DPTHybrid)
        maps += SD2DepthEstimate().execute(photo, load(name), resolution=64)
    assert torch.equal(*maps)
    assert maps[0].std() > 0.01


def test_a_folder_of_transformers_is_loaded(depth_folder, photo):
    config = transformers.GLPNConfig(
        hidden_sizes=[8, 16, 24, 32], num_attention_heads=[1, 1, 1, 1], decoder_hidden_size=16
    )
    transformers.GLPNForDepthEstimation(config).save_pretrained(depth_folder / "sub" / "glpn")
    transformers.GLPNImageProcessor().save_pretrained(depth_folder / "sub" / "glpn")
    assert listed() == ["sub/glpn"]
    model = load("sub/glpn")
    assert isinstance(model.network, TransformersNetwork)
    (depth,) = SD2DepthEstimate().execute(photo[:, ::4, ::4], model, resolution=0)
    assert depth.shape == (1, 128, 128, 3)


def test_a_file_of_another_kind_is_named(depth_folder, mini_checkpoint):
    save_file({"w": torch.zeros(2)}, depth_folder / "midas.safetensors")
    with pytest.raises(UnknownDepthModel, match=r"midas\.safetensors: its 1 tensors \(w"):
        load("midas.safetensors")
    with pytest.raises(UnknownDepthModel, match="this is a Stable Diffusion checkpoint"):
        load(str(mini_checkpoint))


def test_a_file_that_is_no_weight_file_is_refused(depth_folder):
    (depth_folder / "page.pt").write_text("<html>Not found</html>")
    with pytest.raises(ValueError, match=r"page\.pt is not a weight file.*web page"):
        load("page.pt")


def test_a_damaged_midas_says_what_is_missing(depth_folder, midas):
    weights = {name: tensor for name, tensor in midas.items() if "layer3_rn" not in name}
    save_file(weights, depth_folder / "half.safetensors")
    model = load("half.safetensors")
    with pytest.raises(ValueError, match=r"scratch\.layer3_rn\.weight is missing"):
        _ = model.network


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_download_with_holes_is_told(depth_folder, midas, suffix):
    holes = {n: torch.zeros_like(t) for n, t in midas.items() if ".blocks.3." in n}
    name = f"half{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)({**midas, **holes}, depth_folder / name)
    model = load(name)
    said = rf"half\{suffix}: {len(holes)} of {len(midas)} tensors are all zero"
    with pytest.raises(FileWithHoles, match=said):
        _ = model.network


def test_a_folder_with_holes_is_told(depth_folder):
    config = transformers.DPTConfig(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=32,
        neck_hidden_sizes=[16, 16, 16, 16],
        fusion_hidden_size=16,
        backbone_out_indices=[0, 1, 2, 3],
    )
    network = transformers.DPTForDepthEstimation(config)
    torch.nn.init.zeros_(network.neck.fusion_stage.layers[0].projection.weight)
    network.save_pretrained(depth_folder / "dpt")
    model = load("dpt")
    with pytest.raises(FileWithHoles, match=r"model\.safetensors: .* tensors are all zero"):
        _ = model.network


def test_a_missing_model_is_told_before_anything_runs(depth_folder):
    said = SD2DepthModelLoader.VALIDATE_INPUTS("gone.pt")
    assert "gone.pt" in said
    assert str(depth_folder) in said


def test_nothing_but_the_header_is_read_before_use(depth_folder, midas, monkeypatch):
    save_file(midas, depth_folder / "a.safetensors")
    kind, read = type(open_weights(depth_folder / "a.safetensors")), []
    original = kind.read
    monkeypatch.setattr(kind, "read", lambda self, name: read.append(name) or original(self, name))
    model = load("a.safetensors")
    assert not read
    _ = model.network
    assert sorted(read) == sorted(midas)


# Names that ComfyUI tells these networks by, or that every file of them has.
COMFYUIS = {
    "Depth Anything 3": [
        "backbone.embeddings.patch_embeddings.projection.weight",
        "backbone.encoder.layer.0.attention.attention.query.weight",
        *("head.projects.0.weight", "head.scratch.refinenet1.out_conv.weight"),
    ],
    "MoGe": [
        *("encoder.backbone.patch_embed.proj.weight", "encoder.output_projections.0.weight"),
        *("neck.input_blocks.0.weight", "points_head.input_blocks.0.weight"),
        *("scale_head.0.weight", "mask_head.input_blocks.0.weight"),
    ],
    "MoGe 1": [
        *("backbone.cls_token", "head.projects.0.weight", "head.upsample_blocks.0.0.0.weight"),
    ],
}


@pytest.mark.parametrize("name", COMFYUIS)
def test_what_comfyui_loads_itself_is_told_with_its_nodes(depth_folder, name):
    path = depth_folder / "network.safetensors"
    save_file({tensor: torch.zeros(4, 4, 1, 1) for tensor in COMFYUIS[name]}, path)
    name = name.removesuffix(" 1")
    nodes = rf"ComfyUI's Load {name}.*run it with Run {name}.*Render {name}.*of Depth Encode"
    with pytest.raises(ValueError, match=rf"network.safetensors: this is {name}.*{nodes}"):
        SD2DepthModelLoader().run(model_name="network.safetensors")
    assert re.search(nodes, advice(diagnose(path)))


def test_depth_anything_is_told_to_load(depth_folder):
    path = depth_folder / "network.safetensors"
    names = ("pretrained.blocks.0.attn.qkv.weight", "depth_head.projects.0.weight")
    save_file({name: torch.zeros(4, 4) for name in names}, path)
    assert load("network.safetensors").name == "network.safetensors"
    assert "choose it in Load Depth Model" in advice(diagnose(path))
