"""ComfyUI with an OpenCV that cannot be imported, a second one beside the other tests'."""

import shutil

import pytest

from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS
from sd2_depth2img.tools.comfyui import Program, furnish


@pytest.fixture(scope="module")
def without_opencv(comfyui, tmp_path_factory):
    broken = tmp_path_factory.mktemp("broken")
    (broken / "cv2").mkdir()
    error = "numpy.core.multiarray failed to import"
    (broken / "cv2" / "__init__.py").write_text(f'raise ImportError("{error}")\n')
    base = furnish(tmp_path_factory.mktemp("without opencv"))
    for folder in ("models/checkpoints", "input"):
        shutil.copytree(comfyui.folder(folder), base / folder, dirs_exist_ok=True)
    environment = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(broken)}
    with type(comfyui).running(Program.find(), base, "--cpu", environment=environment) as server:
        yield server


def test_the_pack_loads_and_what_needs_no_opencv_works(without_opencv, depth_graph):
    assert NODE_CLASS_MAPPINGS.keys() <= without_opencv.get("/object_info").keys()
    assert "IMPORT FAILED" not in without_opencv.log.read_text(errors="replace")
    graph = depth_graph()
    graph.save(graph.sample())  # the loader, Depth Encode and the sampler
    assert without_opencv.latent(graph).isfinite().all()


def test_the_others_say_what_to_do(without_opencv, depth_graph):
    graph = depth_graph()
    graph.add("SD2DepthPreview", depth=graph.depth)
    failure = without_opencv.failure(graph)
    assert failure.node == "SD2DepthPreview"
    assert failure.message.startswith("OpenCV cannot be imported (numpy.core.multiarray failed")
    assert "pip uninstall opencv-python opencv-python-headless" in failure.message
