"""What a node shows on the canvas of a real ComfyUI: warnings, previews, errors."""

import io
import json

import numpy as np
import pytest
import requests
import torch
from PIL import Image

from sd2_depth2img.depth.depth_files import FileFormat, write_depth

FLAT = "the depth map is flat"


def flat_map(comfyui, side=64):
    Image.new("L", (side, side), 128).save(comfyui.folder("input") / "flat.png")
    return "flat.png"


def executed(events):
    return {e.data["node"]: e.data["output"] or {} for e in events if e.type == "executed"}


# --- warnings ------------------------------------------------------------------------------------


def test_a_warning_is_shown_on_its_node_alone(comfyui, depth_graph):
    graph = depth_graph(depth_files=[flat_map(comfyui)])
    encode = graph.positive[0]
    graph.save(graph.sample(steps=1))
    with comfyui.events() as events:
        shown = executed(events.until_done(comfyui.submit(graph)))
    assert shown[encode]["warnings"][0].startswith(FLAT)
    assert [node for node, one in shown.items() if FLAT in str(one)] == [encode]


def test_the_warning_of_a_cached_node_is_sent_again_or_the_page_is_told_to_keep_it(
    comfyui, depth_graph
):
    """ComfyUI sends again what cached output nodes show; of others it says that they are cached."""
    graph = depth_graph()
    adjusted = graph.add("SD2DepthAdjust", depth=graph.depth, offset=0.8)
    colours = graph.add("EmptyImage", width=64, height=64, batch_size=1, color=0xFF0000)
    save = graph.add("SD2DepthSave", depth=colours(), filename_prefix="red")
    graph.add("SD2DepthSave", depth=adjusted(), filename_prefix="near")
    with comfyui.events() as events:
        first = executed(events.until_done(comfyui.submit(graph)))
        seen = list(events.until_done(comfyui.submit(graph)))
    assert "is this perhaps the photograph" in first[save]["warnings"][0]
    assert executed(seen)[save] == first[save]
    (cached,) = [event.data["nodes"] for event in seen if event.type == "execution_cached"]
    assert first[adjusted]["warnings"]
    assert adjusted in cached
    assert adjusted not in executed(seen)


def test_a_node_without_a_warning_shows_none(comfyui, depth_graph):
    graph = depth_graph()
    encode = graph.positive[0]
    graph.save(graph.sample(steps=1))
    assert not comfyui.run(graph).get(encode, {}).get("warnings")


def test_for_an_input_with_several_values_every_warning_arrives(comfyui, depth_graph):
    """ComfyUI puts together what is shown under the first value's names."""
    graph = depth_graph()
    sweep = graph.add("SD2DepthStrengthSweep", strengths="0.0, 0.9")
    contrast = {"contrast": sweep(), "plane": 0.0, "offset": 0.8}
    adjusted = graph.add("SD2DepthAdjust", depth=graph.depth, **contrast)
    graph.add("SD2DepthSave", depth=adjusted(), filename_prefix="swept")
    shown = comfyui.run(graph)[adjusted]
    assert len(shown["images"]) == 2
    assert len(shown["warnings"]) == 1
    assert "and clipped" in shown["warnings"][0]


def test_a_warning_from_inside_ksampler_comes_while_it_runs(comfyui, depth_graph):
    graph = depth_graph(width=128)  # the map is upright, the latent lies
    sampled = graph.sample("KSampler", steps=3)
    graph.save(sampled)
    with comfyui.events() as events:
        seen = list(events.until_done(comfyui.submit(graph)))
    told = [event.data for event in seen if event.type == "sd2_depth2img.warning"]
    assert {one["node"] for one in told} == {sampled[0]}
    # Of the size, which is far from the training, and of the map; neither for every prompt anew.
    assert len(told) == 2
    assert "the checkpoint was trained with a short side of 256" in told[0]["text"]
    assert "it is squeezed to fit" in told[1]["text"]
    assert not executed(seen).get(sampled[0], {}).get("warnings")


def test_the_packs_own_sampler_shows_the_same_once(comfyui, depth_graph):
    graph = depth_graph(width=128)
    sampled = graph.sample(steps=3)
    graph.save(sampled)
    with comfyui.events() as events:
        seen = list(events.until_done(comfyui.submit(graph)))
    assert not [event for event in seen if event.type == "sd2_depth2img.warning"]
    size, squeezed = executed(seen)[sampled[0]]["warnings"]
    assert "the checkpoint was trained with a short side of 256" in size
    assert "it is squeezed to fit" in squeezed


# --- previews ------------------------------------------------------------------------------------


def test_a_node_that_gives_a_depth_map_shows_it(comfyui, depth_graph):
    graph = depth_graph()
    mask = graph.add("SolidMask", value=1.0, width=80, height=96)
    image = {"image": graph.depth, "mask": mask()}
    nodes = {
        "adjust": graph.add("SD2DepthAdjust", depth=graph.depth, invert=True),
        "load": graph.add("SD2DepthLoad", image=depth_graph.DEPTH_FILES[0]),
        "estimate": graph.add(
            "SD2DepthEstimate", image=graph.depth, depth_model=graph.depth_model, resolution=64
        ),
        "prepare": graph.add("SD2DepthPrepare", **image, depth=graph.depth, size=64),
        "crop": graph.add("SD2DepthCrop", **image, depth=graph.depth, size=64),
        "under": graph.add("SD2DepthUnderMask", depth=graph.depth, mask=mask()),
    }
    slots = {"prepare": 2, "crop": 2}
    saves = {
        name: graph.add(
            "SD2DepthSave", depth=node(slots.get(name, 0)), filename_prefix=name, bits="8"
        )
        for name, node in nodes.items()
    }
    shown = comfyui.run(graph)
    for name, node in nodes.items():
        (entry,) = shown[node]["images"]
        assert entry["type"] == "temp"
        preview = Image.open(comfyui.file(entry))
        assert preview.mode == "L"
        (saved,) = comfyui.images(shown[saves[name]])
        assert np.abs(np.asarray(preview).astype(int) - saved).mean() < 3, name


def test_a_large_batch_shows_a_few(comfyui, depth_graph):
    graph = depth_graph()
    batch = graph.add("RepeatImageBatch", image=graph.depth, amount=30)
    filled = graph.add("SD2DepthFill", depth=batch())
    graph.add("SD2DepthSave", depth=filled(), filename_prefix="batch", bits="8")
    assert len(comfyui.run(graph)[filled]["images"]) == 8


@pytest.mark.parametrize("kind", list(FileFormat), ids=lambda kind: kind.name)
def test_every_kind_of_file_has_a_preview_before_anything_runs(comfyui, kind):
    depth = torch.linspace(0, 1, 96 * 80).reshape(96, 80)
    folder = comfyui.folder("input") / "maps"
    folder.mkdir(exist_ok=True)
    write_depth(folder / f"map{kind.suffix}", depth, kind)
    image = preview(comfyui, filename=f"map{kind.suffix}", subfolder="maps", type="input")
    assert np.abs(np.asarray(image) / 255 - depth.numpy()).max() < 0.02


def test_distances_are_shown_stretched(comfyui):
    distances = torch.linspace(2, 80, 64 * 64).reshape(64, 64)
    write_depth(comfyui.folder("input") / "metres.exr", distances, FileFormat.EXR)
    image = np.asarray(preview(comfyui, filename="metres.exr"))
    assert (image.min(), image.max()) == (0, 255)


def preview(comfyui, **parameters):
    url = f"{comfyui.url}/sd2_depth2img/preview"
    answer = requests.get(url, params=parameters, timeout=60)
    assert answer.headers["Content-Type"] == "image/jpeg", answer.text
    return Image.open(io.BytesIO(answer.content))


@pytest.mark.parametrize(
    ("parameters", "status", "said"),
    [
        ({"filename": "gone.exr"}, 404, "there is no image 'gone.exr' in the folder input;"),
        ({}, 404, "there is no image"),
        ({"filename": "../server.log"}, 400, "leads out of the folder"),
        ({"filename": "x.png", "subfolder": "../.."}, 400, "leads out of the folder"),
        ({"filename": "x.png", "type": "elsewhere"}, 404, "there is no image"),
        ({"filename": "a\0b.png"}, 404, "there is no image"),
        ({"filename": "text.png"}, 400, "is not an image that can be read"),
    ],
)
def test_what_cannot_be_shown_is_said_in_words(comfyui, parameters, status, said):
    (comfyui.folder("input") / "text.png").write_text("no image")
    answer = requests.get(f"{comfyui.url}/sd2_depth2img/preview", params=parameters, timeout=60)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert str(comfyui.base) not in answer.json()["error"]


def test_a_map_that_cannot_be_shown_is_called_as_in_its_folder(comfyui):
    (comfyui.folder("input") / "maps").mkdir(exist_ok=True)
    (comfyui.folder("input") / "maps" / "text.npy").write_bytes(b"\x93NUMPY damaged")
    where = {"filename": "text.npy", "subfolder": "maps"}
    answer = requests.get(f"{comfyui.url}/sd2_depth2img/preview", params=where, timeout=60)
    assert answer.json()["error"].startswith("text.npy is damaged (")


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["KSampler", "SD2DepthSampler"])
def test_the_missing_depth_map_is_told_under_a_short_name(comfyui, depth_graph, sampler):
    graph = depth_graph(encode_depth=False)
    graph.save(graph.sample(sampler))
    error = comfyui.failure(graph)
    assert error.kind == "ValueError"
    assert "Depth Encode" in error.message


def test_an_error_of_the_pack_has_a_short_name_and_its_remedy(comfyui, depth_graph):
    graph = depth_graph()
    prepared = graph.add("SD2DepthPrepare", image=graph.depth)
    adjusted = graph.add("SD2DepthAdjust", depth=prepared(2))
    graph.add("SD2DepthSave", depth=adjusted(), filename_prefix="never")
    error = comfyui.failure(graph)
    assert error.kind == "ValueError"
    assert error.message.startswith("there is no depth map. Prepare Image")


DAMAGED = ["a\0b.png", "x" * 5000, "", 7, {"a": 1}, True, "../x.png", "..\\x.png/", "\ud800.png"]


@pytest.mark.parametrize("name", DAMAGED, ids=range(len(DAMAGED)))
@pytest.mark.parametrize(
    ("node", "key"),
    [
        ("SD2DepthLoad", "image"),
        ("SD2DepthCheckpointLoader", "ckpt_name"),
        ("SD2DepthModelLoader", "model_name"),
    ],
)
def test_damaged_names_are_answered_in_words_before_anything_runs(
    comfyui, depth_graph, node, key, name
):
    graph = depth_graph()
    loaded = graph.add(node, **{key: name})
    graph.add("PreviewAny", source=loaded())
    with pytest.raises(Exception, match=r"there is no|leads out|is no text") as refused:
        comfyui.submit(graph)
    (error,) = json.loads(str(refused.value))["node_errors"][loaded]["errors"]
    assert "exception_type" not in str(error)
    assert len(str(error)) < 20000
