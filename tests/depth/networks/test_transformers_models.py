"""Folders of transformers: the same as calling the library itself, and what else may lie there."""

import json
import logging

import numpy as np
import pytest
import skimage.data
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoImageProcessor, AutoModelForDepthEstimation

from sd2_depth2img.depth.convention import normalize, resize
from sd2_depth2img.depth.estimate import Settings, estimate
from sd2_depth2img.depth.networks.estimators import DepthModel
from sd2_depth2img.depth.networks.transformers_models import FAMILIES, NEAREST, load_folder

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
STAGES = ["stage1", "stage2", "stage3", "stage4"]
DECODER = {"neck_hidden_sizes": [8, 16, 24, 32], "fusion_hidden_size": 16}
DISTANCE = {"metric_depth_anything", "zoedepth", "glpn", "dpt_on_dinov2"}


@pytest.fixture(scope="module")
def photo():
    """Middlebury's motorcycle, cut to [2, 150, 220, 3]: two parts of it."""
    pixels = torch.from_numpy(skimage.data.stereo_motorcycle()[0].astype(np.float32) / 255)
    return torch.stack((pixels[:150, :220], pixels[200:350, 300:520]))


def dinov2():
    return transformers.Dinov2Config(
        **TINY, image_size=56, patch_size=14, out_features=STAGES, reshape_hidden_states=False
    )


def depth_anything(kind="relative"):
    config = transformers.DepthAnythingConfig(
        backbone_config=dinov2(),
        patch_size=14,
        reassemble_hidden_size=32,
        head_hidden_size=8,
        depth_estimation_type=kind,
        max_depth=20,
        **DECODER,
    )
    return transformers.DepthAnythingForDepthEstimation(config), dpt_processor(56, 14, True)


def dpt_processor(size, multiple=1, aspect=False):
    return transformers.DPTImageProcessor(
        size={"height": size, "width": size}, ensure_multiple_of=multiple, keep_aspect_ratio=aspect
    )


def dpt():
    config = transformers.DPTConfig(
        **TINY,
        intermediate_size=64,
        image_size=64,
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        **DECODER,
    )
    return transformers.DPTForDepthEstimation(config), dpt_processor(64)


def dpt_on_dinov2():
    config = transformers.DPTConfig(
        backbone_config=dinov2(), hidden_size=32, reassemble_factors=[4, 2, 1, 0.5], **DECODER
    )
    return transformers.DPTForDepthEstimation(config), dpt_processor(56, 14, True)


def zoedepth():
    backbone = transformers.BeitConfig(
        **TINY,
        intermediate_size=64,
        image_size=64,
        patch_size=16,
        out_features=STAGES,
        reshape_hidden_states=False,
        use_relative_position_bias=True,
    )
    config = transformers.ZoeDepthConfig(
        backbone_config=backbone, num_relative_features=8, bottleneck_features=16, **DECODER
    )
    processor = transformers.ZoeDepthImageProcessor(
        size={"height": 64, "width": 96}, ensure_multiple_of=32
    )
    return transformers.ZoeDepthForDepthEstimation(config), processor


def glpn():
    config = transformers.GLPNConfig(
        hidden_sizes=[8, 16, 24, 32], num_attention_heads=[1, 1, 1, 1], decoder_hidden_size=16
    )
    return transformers.GLPNForDepthEstimation(config), transformers.GLPNImageProcessor()


def depth_pro():
    vit = {"model_type": "dinov2", **TINY, "image_size": 16, "patch_size": 8, "mlp_ratio": 2}
    config = transformers.DepthProConfig(
        fusion_hidden_size=16,
        patch_size=16,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[10, 8],
        scaled_images_ratios=[0.5, 1.0],
        scaled_images_overlap_ratios=[0.0, 0.2],
        scaled_images_feature_dims=[12, 12],
        image_model_config=vit,
        patch_model_config=vit,
        fov_model_config=vit,
        use_fov_model=False,
    )
    processor = transformers.DepthProImageProcessor(size={"height": 64, "width": 64})
    return transformers.DepthProForDepthEstimation(config), processor


MODELS = {
    "dpt": dpt,
    "dpt_on_dinov2": dpt_on_dinov2,
    "depth_anything": depth_anything,
    "metric_depth_anything": lambda: depth_anything("metric"),
    "zoedepth": zoedepth,
    "glpn": glpn,
    "depth_pro": depth_pro,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder of every kind, as transformers saves them, with random weights."""
    base = tmp_path_factory.mktemp("depth")
    torch.manual_seed(11)
    for name, make in MODELS.items():
        model, processor = make()
        enliven(model)
        model.save_pretrained(base / name)
        processor.save_pretrained(base / name)
    return base


def enliven(model):
    """transformers' initial weights are so small that every map would be flat."""
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(std=parameter[0].numel() ** -0.5)
        if name.startswith("head.") and parameter.ndim == 4 and len(parameter) == 1:
            parameter.data.abs_()  # or the last ReLU would leave little


@pytest.fixture
def copy(folders, tmp_path):
    """A folder of one kind that may be damaged."""

    def make(name):
        target = tmp_path / name
        target.mkdir()
        for file in (folders / name).iterdir():
            (target / file.name).write_bytes(file.read_bytes())
        return target

    return make


def reference(folder, images, size=None):
    """Image by image; disparity at the image's size or own."""
    return torch.cat([reference_of_one(folder, image, size) for image in images.split(1)])


def reference_of_one(folder, image, size):
    """transformers called as its own documentation does."""
    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    model = AutoModelForDepthEstimation.from_pretrained(folder, local_files_only=True).float()
    extra = {} if size is None else {"size": {"height": size, "width": size}}
    pixels = list(image.movedim(-1, 1))
    inputs = processor(images=pixels, do_rescale=False, return_tensors="pt", **extra)
    with torch.no_grad():
        out = model(**inputs)
    if folder.name == "zoedepth":  # whose processor alone takes its own border off again
        inverse = out.predicted_depth.clamp(min=NEAREST).reciprocal()
        out.predicted_depth = inverse
        sizes = [tuple(image.shape[1:3])] * len(image)
        found = processor.post_process_depth_estimation(out, source_sizes=sizes)
        return torch.stack([entry["predicted_depth"] for entry in found])
    if folder.name in DISTANCE:
        return out.predicted_depth.clamp(min=NEAREST).reciprocal()
    return out.predicted_depth


@pytest.mark.parametrize("name", MODELS)
def test_depth_is_bit_for_bit_what_transformers_gives(folders, photo, name):
    disparity = reference(folders / name, photo)
    assert disparity.std(dim=(1, 2)).min() > 1e-3 * disparity.mean()
    expected = normalize(resize(normalize(disparity), 150, 220))
    depth = estimate(DepthModel(name, lambda: folders / name).network, photo)
    assert torch.equal(depth, expected)
    assert depth.std() > 0.01


@pytest.mark.parametrize("name", ["depth_anything", "zoedepth", "dpt"])
def test_a_resolution_takes_the_place_of_the_processors_size(folders, photo, name):
    expected = normalize(resize(normalize(reference(folders / name, photo, 128)), 150, 220))
    network = load_folder(folders / name)
    assert torch.equal(estimate(network, photo, Settings(128)), expected)
    assert not torch.equal(estimate(network, photo), expected)


@pytest.mark.parametrize("name", ["glpn", "depth_pro"])
def test_models_that_choose_their_own_size_refuse_another(folders, photo, name):
    with pytest.raises(ValueError, match=r"resolution is 384; .* size of its own: set it to 0"):
        estimate(load_folder(folders / name), photo, Settings(384))


def test_a_negative_resolution_is_refused(folders, photo):
    with pytest.raises(ValueError, match="resolution is -14"):
        estimate(load_folder(folders / "depth_anything"), photo, Settings(-14))


def test_every_family_is_tried(folders):
    found = {
        json.loads((folders / name / "config.json").read_text())["model_type"] for name in MODELS
    }
    assert found == {family.model_type for family in FAMILIES}


@pytest.mark.parametrize("name", MODELS)
def test_metric_models_are_turned_into_disparity(folders, photo, name):
    """Where the model says far, the map is dark, and the other way round for disparity."""
    network = load_folder(folders / name)
    assert network.gives_distance == (name in DISTANCE)
    seen = network.prepare(photo.movedim(-1, 1))
    with torch.no_grad():
        raw, disparity = network.model(pixel_values=seen).predicted_depth, network(seen)
    order = torch.corrcoef(torch.stack((raw.flatten(), disparity.flatten())))[0, 1]
    assert order < -0.1 if name in DISTANCE else torch.equal(raw, disparity)


def test_distances_of_zero_become_near_and_finite_with_a_warning(folders, photo, caplog):
    network = load_folder(folders / "glpn")
    last = network.model.head.head[-1]
    last.bias.data.fill_(-1e4)  # the sigmoid behind it gives exactly 0
    out = network(network.prepare(photo.movedim(-1, 1)))
    assert torch.allclose(out, torch.full_like(out, 1 / NEAREST))
    assert "nearer than 0.001 m" in caplog.text


def test_half_precision_weights_are_computed_with_in_float32(copy, photo):
    folder = copy("depth_anything")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: tensor.half() for name, tensor in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    network = load_folder(folder)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training
    assert estimate(network, photo).isfinite().all()


# --- what is not there ---------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_missing_file_is_named(copy, file):
    folder = copy("dpt")
    (folder / file).unlink()
    with pytest.raises(FileNotFoundError, match=file) as error:
        load_folder(folder)
    assert str(error.value).startswith("dpt has no")


def test_weights_that_are_missing_are_named_and_not_made_up(copy):
    folder = copy("depth_anything")
    weights = load_file(folder / "model.safetensors")
    del weights["head.conv2.bias"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"head\.conv2\.bias is missing"):
        load_folder(folder)


def test_weights_without_influence_may_be_missing(copy, photo):
    """Intel's folders leave out the first unit of the coarsest fusion."""
    folder = copy("dpt")
    weights = load_file(folder / "model.safetensors")
    idle = [name for name in weights if "fusion_stage.layers.0.residual_layer1." in name]
    assert len(idle) == 4
    for name in idle:
        del weights[name]
    before = estimate(load_folder(folder), photo)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert torch.equal(estimate(load_folder(folder), photo), before)


def test_weights_that_are_not_used_are_told(copy, caplog):
    folder = copy("dpt")
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, "more.weight": torch.zeros(2)}, folder / "model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    with caplog.at_level(logging.WARNING):
        load_folder(folder)
    assert "more.weight is in the weights, but not used" in caplog.text


def test_weights_of_another_shape_are_refused(copy):
    folder = copy("dpt")
    weights = load_file(folder / "model.safetensors")
    weights["head.head.4.weight"] = torch.zeros(1, 7, 1, 1)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="cannot be loaded as a DPT model"):
        load_folder(folder)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('{"model_type": "bert"}', "'bert'.* Depth Anything"),
        ("{}", "type None"),
        ("[1]", "not a JSON object"),
        ("{", "damaged"),
    ],
)
def test_another_model_is_named(copy, config, said):
    folder = copy("dpt")
    (folder / "config.json").write_text(config)
    with pytest.raises(ValueError, match=said):
        load_folder(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_hidden_layers": 40_000}, r"num_hidden_layers is \[40000\], expected 1000 at most"),
        ({"num_attention_heads": "two"}, "cannot be loaded as a DPT model"),
        ({"hidden_size": 33}, "cannot be loaded as a DPT model"),
    ],
)
def test_settings_that_cannot_be_are_refused(copy, change, said):
    folder = copy("dpt")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ValueError, match=f"^dpt .*{said}"):
        load_folder(folder)


def test_weights_that_would_run_code_are_refused(copy):
    folder = copy("dpt")
    (folder / "model.safetensors").unlink()
    torch.save({"a": print}, folder / "pytorch_model.bin")
    with pytest.raises(
        ValueError, match=r"dpt .*a pickle that .*asks for more than tensors"
    ) as told:
        load_folder(folder)
    assert "weights_only" not in str(told.value)


def test_nothing_is_asked_of_the_network(folders, photo, monkeypatch):
    import socket

    def refuse(*_, **__):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in MODELS:
        estimate(load_folder(folders / name), photo)


def test_folder_is_read_when_first_used(tmp_path):
    model = DepthModel("nothing", lambda: tmp_path / "nothing")
    assert "nothing" in repr(model)
    with pytest.raises(FileNotFoundError, match=r"nothing has no config\.json"):
        _ = model.network
