"""Packages that are missing or broken: what says so, in which words, and what works without."""

import json
import subprocess
import sys

import pytest

from sd2_depth2img.disk.packages import UnusablePackage, needed


def message(error, **options):
    with pytest.raises(UnusablePackage) as told, needed("timm", "MiDaS's networks", **options):
        raise error
    assert told.value.name == "timm"
    return str(told.value)


def test_a_missing_package_is_to_be_installed():
    assert message(ModuleNotFoundError("No module named 'timm'", name="timm")) == (
        "MiDaS's networks need the package timm, which is not installed. With the Python that "
        "runs this: pip install timm"
    )


def test_what_a_package_misses_is_to_be_installed():
    error = ModuleNotFoundError("No module named 'yaml.nodes'", name="yaml.nodes")
    assert message(error).endswith(
        "timm, which cannot be imported (No module named 'yaml.nodes'). With the Python that runs "
        "this: pip install yaml"
    )


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libGL.so.1: cannot open shared object file"),
        RuntimeError("operator torchvision::nms does not exist"),
        AttributeError("x"),
        ModuleNotFoundError("No module named 'timm.layers'", name="timm.layers"),
        ValueError(),
    ],
)
def test_a_broken_package_is_to_be_installed_anew_and_pytorch_is_left_alone(error):
    said = message(error, instead="use another model")
    assert f"timm, which cannot be imported ({str(error) or type(error).__name__})" in said
    assert "pip install --upgrade --force-reinstall --no-deps timm" in said
    assert said.endswith("; or use another model")


def test_errors_of_the_work_itself_stay_what_they_are():
    def work():
        with needed("json", "Settings"):
            import json as _  # noqa: F401
        raise ValueError("too small")

    with pytest.raises(ValueError, match=r"^too small$"):
        work()


# --- what works without them ----------------------------------------------------------------------

# Runs nodes; for each the message of its ImportError, or "" where it works.
CODE = """
import json, pathlib, torch
from sd2_depth2img import NODE_CLASS_MAPPINGS as nodes
from sd2_depth2img.depth.networks.estimators import DepthModel
from sd2_depth2img.engine import folders
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT

folders.use(folders.Folders.below(pathlib.Path("here")))

def run(name, **inputs):
    node = nodes[name]()
    return getattr(node, node.FUNCTION)(**inputs)

def message(name, **inputs):
    try:
        run(name, **inputs)
    except ImportError as error:
        return str(error)
    return ""

depth = torch.linspace(0, 1, 4096).reshape(1, 64, 64, 1).expand(1, 64, 64, 3)
text = [[torch.zeros(1, 77, 8), {}]]
*_, midas = run("SD2DepthCheckpointLoader", ckpt_name=str(BUNDLED_CHECKPOINT))
folder = DepthModel("a folder", lambda: pathlib.Path("folder"))
print(json.dumps({
    "encode": message("SD2DepthEncode", positive=text, negative=text, depth=depth),
    "save": message("SD2DepthSave", depth=depth, filename_prefix="a"),
    "save EXR": message("SD2DepthSave", depth=depth, filename_prefix="a", file_format="exr"),
    "preview": message("SD2DepthPreview", depth=depth),
    "MiDaS": message("SD2DepthEstimate", image=depth, depth_model=midas),
    "folder": message("SD2DepthEstimate", image=depth, depth_model=folder),
}))
"""
# Work that needs a package, and how its message begins.
STOPPED = {
    "cv2": ("preview", "OpenCV cannot be imported"),
    "OpenEXR": ("save EXR", "EXR files need the package OpenEXR"),
    "timm": ("MiDaS", "MiDaS's networks need the package timm"),
    "transformers": ("folder", "Depth models in folders need the package transformers"),
}
STATES = {
    "missing": 'raise ModuleNotFoundError("No module named {name!r}", name={name!r})',
    "broken": 'raise AttributeError("its library is broken")',
    "empty": "",  # the folder that an uninstalled package may leave
}


@pytest.mark.parametrize("state", STATES)
def test_only_the_work_that_needs_a_package_stops_and_says_what_to_install(tmp_path, state):
    for package in STOPPED:
        (tmp_path / package).mkdir()
        code = STATES[state].format(name=package)
        (tmp_path / package / "__init__.py").write_text(code)
    found = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{CODE}"],
        capture_output=True,
        cwd=tmp_path,
        check=False,
    )
    assert found.returncode == 0, found.stderr.decode()
    messages = json.loads(found.stdout)
    for work, start in STOPPED.values():
        said = messages.pop(work)
        assert said.startswith(start)
        assert "pip install" in said
    assert messages == {"encode": "", "save": ""}
