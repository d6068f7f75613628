"""ComfyUI with a broken OpenCV and OpenEXR and without timm, a second one beside the other tests'.

Without transformers ComfyUI itself does not start.
"""

import shutil

import pytest

from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS
from sd2_depth2img.tools.comfyui import Program, furnish

ERRORS = {
    "cv2": 'ImportError("numpy.core.multiarray failed to import")',
    "OpenEXR": 'ImportError("libImath.so: cannot open shared object file")',
    "timm": 'ModuleNotFoundError("No module named \'timm\'", name="timm")',
}


@pytest.fixture(scope="module")
def without_packages(comfyui, tmp_path_factory):
    broken = tmp_path_factory.mktemp("broken")
    for package, error in ERRORS.items():
        (broken / package).mkdir()
        (broken / package / "__init__.py").write_text(f"raise {error}\n")
    base = furnish(tmp_path_factory.mktemp("without packages"))
    for folder in ("models/checkpoints", "input"):
        shutil.copytree(comfyui.folder(folder), base / folder, dirs_exist_ok=True)
    environment = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(broken)}
    with type(comfyui).running(Program.find(), base, "--cpu", environment=environment) as server:
        yield server


def test_the_pack_loads_and_what_needs_none_of_them_works(without_packages, depth_graph):
    assert NODE_CLASS_MAPPINGS.keys() <= without_packages.get("/object_info").keys()
    assert "IMPORT FAILED" not in without_packages.log.read_text(errors="replace")
    graph = depth_graph()
    graph.save(graph.sample())  # the loader, Depth Encode and the sampler
    assert without_packages.latent(graph).isfinite().all()


@pytest.mark.parametrize(
    ("node", "inputs", "start", "remedy"),
    [
        (
            "SD2DepthPreview",
            {},
            "OpenCV cannot be imported (numpy.core.multiarray failed",
            "pip uninstall opencv-python opencv-python-headless",
        ),
        (
            "SD2DepthSave",
            {"filename_prefix": "a", "file_format": "exr"},
            "EXR files need the package OpenEXR, which cannot be imported (libImath.so: cannot",
            "pip install --upgrade --force-reinstall --no-deps OpenEXR",
        ),
    ],
)
def test_the_others_say_what_to_do(without_packages, depth_graph, node, inputs, start, remedy):
    graph = depth_graph()
    graph.add(node, depth=graph.depth, **inputs)
    failure = without_packages.failure(graph)
    assert failure.node == node
    assert failure.message.startswith(start)
    assert remedy in failure.message


def test_estimating_says_that_timm_is_to_be_installed(without_packages, depth_graph):
    graph = depth_graph()
    depth = graph.add("SD2DepthEstimate", image=graph.depth, depth_model=graph.depth_model)
    graph.add("PreviewImage", images=depth())
    failure = without_packages.failure(graph)
    assert failure.node == "SD2DepthEstimate"
    assert failure.message.startswith("MiDaS's networks need the package timm, which is not inst")
    assert failure.message.strip().endswith("pip install timm")
