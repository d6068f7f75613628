"""What works where OpenCV, or another package that only some nodes need, is broken or missing."""

import json
import subprocess
import sys

import pytest

import sd2_depth2img

# Nodes that do their work without OpenCV, and one that cannot; what the latter says.
CODE = """
import json, torch
from sd2_depth2img import NODE_CLASS_MAPPINGS as nodes

def run(name, **inputs):
    node = nodes[name]()
    return getattr(node, node.FUNCTION)(**inputs)

def message(name, **inputs):
    try:
        run(name, **inputs)
    except ImportError as error:
        return str(error)

depth = torch.rand(1, 16, 16, 1).expand(1, 16, 16, 3)
text = [[torch.zeros(1, 77, 8), {}]]
encoded = run("SD2DepthEncode", positive=text, negative=text, depth=depth)
print(json.dumps({
    "nodes": len(nodes),
    "encoded": len(encoded),
    "preview": message("SD2DepthPreview", depth=depth),
    "merge": message("SD2DepthRefine", depth=depth, image=depth),
}))
"""


@pytest.fixture
def with_broken(tmp_path):
    """Runs CODE where packages cannot be imported; what it prints."""

    def run(**packages):
        for name, content in packages.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").write_text(content)
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{CODE}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return run


def test_nodes_that_need_no_opencv_work_without_it(with_broken):
    """A pair of packages of OpenCV on top of each other, and other packages broken as well."""
    found = with_broken(
        cv2='raise ImportError("numpy.core.multiarray failed to import")',
        timm='raise RuntimeError("torchvision::nms does not exist")',
        transformers='raise AttributeError("broken")',
        OpenEXR='raise ImportError("libImath.so: cannot open shared object file")',
    )
    assert found["nodes"] == len(sd2_depth2img.NODE_CLASS_MAPPINGS)
    assert found["encoded"] == 2
    for name in ("preview", "merge"):
        assert found[name].startswith("OpenCV cannot be imported (numpy.core.multiarray failed to")
        assert "pip uninstall opencv-python opencv-python-headless" in found[name]
        assert found[name].endswith("pip install opencv-python-headless")


def test_what_an_uninstalled_package_left_of_it_is_told_as_well(with_broken):
    """The folder is there, and imports, but nothing is in it."""
    found = with_broken(cv2="")
    assert found["preview"].startswith("OpenCV cannot be imported (module 'cv2' has no attribute")
