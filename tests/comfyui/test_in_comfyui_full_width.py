"""ComfyUI takes the full-size layout of `512-depth-ema` for a depth model, tensor by tensor.

Nothing is loaded: the tensors have shapes but no data, so the full width costs no memory.
"""

import json
import subprocess

import pytest


@pytest.fixture(scope="module")
def recognised(comfyui, request):
    here = request.path.parent
    python, *_ = comfyui.process.args
    script = here / "recognise_full_size.py"
    pack = comfyui.folder("custom_nodes") / "sd2-depth2img"
    table = here.parent / "data" / "512-depth-ema.keys.tsv"
    run = subprocess.run(
        [python, script, comfyui.program, pack, table],
        cwd=comfyui.base,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    answers = [line for line in run.stdout.splitlines() if line.startswith("RESULT")]
    assert len(answers) == 1, f"the script gave no answer:\n{run.stdout}\n{run.stderr}"
    return json.loads(answers[0].removeprefix("RESULT"))


def test_the_stock_loaders_take_the_full_size_layout(recognised):
    """CheckpointLoaderSimple and UNETLoader decide by exactly this look-up."""
    assert recognised["config"] == "SD2Depth"
    assert recognised["model"] == "SD2DepthModel"
    assert recognised["prediction"] == "EPS"


def test_every_tensor_of_the_unet_has_its_place(recognised):
    assert recognised["tensors"] == 686
    assert recognised["misplaced"] == []


def test_it_is_registered_once_however_often_the_pack_is_imported(recognised):
    assert recognised["registered"] == 1


def test_sd2_base_has_in_comfyui_the_tensors_that_adding_a_difference_looks_for(recognised):
    """The names and shapes of its own class for the model, four channels instead of five."""
    base = recognised["without_depth"]
    assert base["config"] == "SD20"
    assert base["prediction"] == "EPS"
    assert base["tensors"] == 686
    assert base["misplaced"] == []
