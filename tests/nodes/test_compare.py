"""Strength Sweep, Prompt List and Comparison Grid, alone and in one workflow."""

import numpy as np
import pytest
import torch
from PIL import Image

from sd2_depth2img.cli.demo import PHOTO
from sd2_depth2img.nodes.compare import (
    SD2DepthGrid,
    SD2DepthPromptList,
    SD2DepthStrengthSweep,
)
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT
from sd2_depth2img.workflows.graph import Runner, parse_workflow
from sd2_depth2img.workflows.problems import WorkflowError

SIZE = 128


# --- alone ---------------------------------------------------------------------------------------


def test_the_promised_interface():
    sweep, grid, prompts = SD2DepthStrengthSweep, SD2DepthGrid, SD2DepthPromptList
    assert sweep.RETURN_NAMES == ("denoise", "depth_strength", "column_labels", "row_labels")
    assert sweep.RETURN_TYPES == ("FLOAT", "FLOAT", "STRING", "STRING")
    assert sweep.OUTPUT_IS_LIST == (True, True, True, True)
    assert list(sweep.INPUT_TYPES()["optional"]) == ["strengths", "depth_strengths"]
    assert grid.INPUT_IS_LIST
    assert grid.RETURN_TYPES == ("IMAGE",)
    assert list(grid.INPUT_TYPES()["required"]) == ["images"]
    assert prompts.OUTPUT_IS_LIST == (True,)
    assert {node.CATEGORY for node in (sweep, grid, prompts)} == {"SD2 Depth/compare"}


def test_the_sweep_of_a_fresh_node():
    denoise, depth_strength, columns, rows = SD2DepthStrengthSweep().execute()
    assert denoise == [0.4, 0.6, 0.8, 1.0]
    assert depth_strength == [1.0] * 4
    assert (len(columns), rows) == (4, ["depth-to-image"])


def test_a_bad_text_is_told_before_anything_runs():
    assert SD2DepthStrengthSweep.VALIDATE_INPUTS("0.5", "0, 1") is True
    assert "out of range" in SD2DepthStrengthSweep.VALIDATE_INPUTS("1.5", "1")
    assert "is empty" in SD2DepthStrengthSweep.VALIDATE_INPUTS("0.5", "")
    assert SD2DepthPromptList.VALIDATE_INPUTS("a") is True
    assert "no prompt" in SD2DepthPromptList.VALIDATE_INPUTS(" \n ")


def test_prompts_are_the_lines_that_hold_something():
    assert SD2DepthPromptList().execute(" a cat \n\n# a dog, \t\r\n") == (["a cat", "# a dog,"],)
    with pytest.raises(ValueError, match="no prompt"):
        SD2DepthPromptList().execute("\n  \n")


def test_a_fresh_prompt_list_holds_two_different_prompts():
    default = SD2DepthPromptList.INPUT_TYPES()["required"]["prompts"][1]["default"]
    (prompts,) = SD2DepthPromptList().execute(default)
    assert len(set(prompts)) == 2


def grid(images, **inputs):
    """Run the node as a host does: every argument that is given is a list."""
    return SD2DepthGrid().execute(images, **inputs)[0]


def batch_of(count):
    return torch.rand(count, 20, 30, 3, generator=torch.Generator().manual_seed(count))


def test_lists_and_batches_are_taken_apart_in_order():
    one = batch_of(6)
    expected = grid([one], columns=[3])
    assert torch.equal(grid([one[:2], one[2:3], one[3:]], columns=[3]), expected)
    assert torch.equal(grid(list(one.split(1)), columns=[3]), expected)
    assert not torch.equal(grid([one.flip(0)], columns=[3]), expected)
    assert torch.equal(grid([one], columns=[0]), grid([one]))


def test_labels_come_as_a_list_or_as_lines():
    listed = grid([batch_of(4)], column_labels=["left", "right"], row_labels=["up", "down"])
    lines = grid([batch_of(4)], column_labels=["left\nright\n"], row_labels=["up\ndown"])
    assert torch.equal(listed, lines)
    swapped = grid([batch_of(4)], column_labels=["right", "left"], row_labels=["up", "down"])
    assert not torch.equal(listed, swapped)
    none = grid([batch_of(4)], columns=[2], column_labels=[" \n"], row_labels=[""])
    assert torch.equal(none, grid([batch_of(4)], columns=[2]))
    assert none.shape[1] < listed.shape[1]


def test_one_label_for_one_column():
    assert grid([batch_of(2)], column_labels=["only"]).shape[1] > 2 * 20  # two rows


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"columns": [2, 3]}, "columns takes one number for the whole grid; found 2"),
        ({"font_size": [8, 9, 10]}, "font_size takes one number .*found 3"),
        ({"column_labels": ["a\nb\nc"]}, "4 images do not fill rows of 3"),
        ({"columns": [2], "row_labels": ["a", "b", "c"]}, "found 3 row labels for 2 rows"),
    ],
)
def test_bad_lists_are_refused(inputs, message):
    with pytest.raises(ValueError, match=message):
        grid([batch_of(4)], **inputs)


def test_images_with_alpha_are_refused():
    with pytest.raises(ValueError, match=r"input images: image 0 of 1 .*channel is alpha"):
        SD2DepthGrid().run(images=[torch.ones(1, 8, 8, 4)])


# --- in a workflow -------------------------------------------------------------------------------


def encoded(text):
    return ("CLIPTextEncode", {"text": text, "clip": ["checkpoint", 1]})


def figure(**changed):
    """Photo -> depth map -> 2 depth strengths x 2 denoising strengths -> one image."""
    nodes = {
        "checkpoint": ("SD2DepthCheckpointLoader", {"ckpt_name": BUNDLED_CHECKPOINT.name}),
        "photo": ("LoadImage", {"image": str(PHOTO)}),
        "scaled": (
            "ImageScale",
            {
                "image": ["photo", 0],
                "upscale_method": "lanczos",
                "width": SIZE,
                "height": SIZE,
                "crop": "center",
            },
        ),
        "depth": (
            "SD2DepthEstimate",
            {"image": ["scaled", 0], "depth_model": ["checkpoint", 3], "resolution": SIZE},
        ),
        "positive": encoded("a red clay statue on a blue background"),
        "negative": encoded(""),
        "sweep": ("SD2DepthStrengthSweep", {"strengths": "0.5, 1.0", "depth_strengths": "0, 1"}),
        "encode": (
            "SD2DepthEncode",
            {
                "positive": ["positive", 0],
                "negative": ["negative", 0],
                "depth": ["depth", 0],
                "strength": ["sweep", 1],
            },
        ),
        "latent": ("VAEEncode", {"pixels": ["scaled", 0], "vae": ["checkpoint", 2]}),
        "sampler": (
            "SD2DepthSampler",
            {
                "model": ["checkpoint", 0],
                "seed": 0,
                "steps": 2,
                "cfg": 3.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "positive": ["encode", 0],
                "negative": ["encode", 1],
                "latent_image": ["latent", 0],
                "denoise": ["sweep", 0],
            },
        ),
        "decode": ("VAEDecode", {"samples": ["sampler", 0], "vae": ["checkpoint", 2]}),
        "grid": (
            "SD2DepthGrid",
            {
                "images": ["decode", 0],
                "column_labels": ["sweep", 2],
                "row_labels": ["sweep", 3],
            },
        ),
        "save": ("SaveImage", {"images": ["grid", 0], "filename_prefix": "grid"}),
    }
    return parse_workflow(
        {
            name: {"class_type": kind, "inputs": inputs}
            for name, (kind, inputs) in (nodes | changed).items()
        }
    )


def lies_at(image, cell, top, left):
    return torch.equal(image[0, top : top + SIZE, left : left + SIZE], cell)


def place(image, cell):
    """Top and left of a cell in an image, bit for bit."""
    corners = (image[0, :, :, 0] == cell[0, 0, 0]).nonzero().tolist()
    (found,) = [corner for corner in corners if lies_at(image, cell, *corner)]
    return found


def test_the_tutorials_figure_is_one_workflow(base):
    results = Runner().run(figure())
    cells = results.outputs["decode"][0]
    assert [cell.shape for cell in cells] == [(1, SIZE, SIZE, 3)] * 4
    ((image,),) = results.outputs["grid"]
    places = [place(image, cell[0]) for cell in cells]
    (top, left), (bottom, right) = places[0], places[3]
    assert places == [[top, left], [top, right], [bottom, left], [bottom, right]]
    assert bottom > top + SIZE
    assert right > left + SIZE
    assert results.outputs["sweep"][2] == ["strength 0.5", "strength 1.0"]
    assert results.outputs["sweep"][3] == ["img2img (no depth)", "depth-to-image"]
    (path,) = results.files
    with Image.open(path) as saved:
        assert np.abs(np.asarray(saved) / 255 - image[0].clamp(0, 1).numpy()).max() < 1 / 255


def test_a_cell_is_the_image_that_its_two_numbers_give_alone(base):
    runner = Runner()
    cells = runner.run(figure()).outputs["decode"][0]
    assert len({cell.numpy().tobytes() for cell in cells}) == 4
    single = figure(sweep=("SD2DepthStrengthSweep", {"strengths": "0.5", "depth_strengths": "1"}))
    (alone,) = runner.run(single).outputs["decode"][0]
    assert torch.equal(alone, cells[2])  # lower left


def test_prompts_become_columns_with_their_names(base):
    results = Runner().run(
        figure(
            prompts=("SD2DepthPromptList", {"prompts": "a red clay statue\na green statue\n"}),
            positive=encoded(["prompts", 0]),
            sweep=("SD2DepthStrengthSweep", {"strengths": "1", "depth_strengths": "1"}),
            grid=("SD2DepthGrid", {"images": ["decode", 0], "column_labels": ["prompts", 0]}),
        )
    )
    first, second = (cell[0] for cell in results.outputs["decode"][0])
    ((image,),) = results.outputs["grid"]
    assert place(image, first)[0] == place(image, second)[0]
    assert place(image, first)[1] < place(image, second)[1]


def test_a_bad_text_refuses_the_workflow_before_it_runs(base):
    bad = figure(sweep=("SD2DepthStrengthSweep", {"strengths": "0", "depth_strengths": "1"}))
    with pytest.raises(WorkflowError, match="nothing would be painted"):
        Runner().run(bad)
