"""The floors of the house: which folder may import which, and what the pack promises to others."""

import ast
import re
from pathlib import Path

import pytest

import sd2_depth2img

ROOT = Path(sd2_depth2img.__file__).parent
FLOORS = (
    "nodes",
    "images",
    "depth",
    "sampling",
    "host",
    "engine",
    "checkpoints",
    "workflows",
    "cli",
)
MAY_IMPORT = {
    "images": {"disk"},
    "depth": {"images", "disk"},
    "sampling": {"images"},
    "checkpoints": {"sampling", "depth", "images", "disk"},
    "engine": {"checkpoints", "sampling", "depth", "images"},
    "host": {"engine", "checkpoints", "sampling", "depth"},
    "nodes": {"host", "checkpoints", "sampling", "depth", "images"},
    "workflows": {"nodes", "engine", "checkpoints", "sampling", "depth", "images"},
    "cli": {"workflows", "engine", "checkpoints", "depth", "images"},
}
HOST_MODULES = {"comfy", "folder_paths", "nodes", "latent_preview", "execution", "server"}
ENGINE_PACKAGES = {"diffusers", "torchsde", "open_clip", "accelerate", "tqdm"}


def modules():
    return [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]


def imports(path):
    """(level, dotted name) of every import of a file, wherever in the file it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            if node.module:
                yield node.level, node.module
            else:
                yield from ((node.level, alias.name) for alias in node.names)


def floor_of(path):
    return path.relative_to(ROOT).parts[0]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_run_downwards(path):
    floor = floor_of(path)
    for level, name in imports(path):
        top = name.split(".")[0]
        if level == 2 and top in FLOORS:
            assert top in MAY_IMPORT[floor], f"{floor} must not import {name}"
        if level == 0:
            assert top != "sd2_depth2img", f"{name}: imports inside the package are relative"
            assert top not in HOST_MODULES or path == ROOT / "host" / "comfyui.py", name
            if floor in ("nodes", "pictures", "depth", "sampling", "host"):
                assert top not in ENGINE_PACKAGES, f"{name} is not in requirements.txt"


def test_host_imports_the_engine_through_one_door():
    doors = {
        path.relative_to(ROOT)
        for path in modules()
        if floor_of(path) == "host" and any(n.startswith("engine") for _, n in imports(path))
    }
    assert doors <= {Path("host/__init__.py")}


def test_requirements_are_what_a_comfyui_user_is_asked_to_install():
    lines = (ROOT / "requirements.txt").read_text().split()
    names = {re.split(r"[<>=]", line)[0] for line in lines}
    assert names == {
        "torch",
        "torchvision",
        "transformers",
        "safetensors",
        "timm",
        "numpy",
        "opencv-python-headless",
        "pillow",
        "OpenEXR",
    }


def test_no_file_names_a_machine_path_or_a_package_registry():
    forbidden = re.compile(r"/(?:work|root|farm|opt)/|pypi\.org|registry\.npmjs|deb\.debian")
    texts = [p for s in ("*.py", "*.md", "*.toml", "*.txt") for p in ROOT.rglob(s)]
    here = [p for p in texts if ".venv" not in p.parts and p != Path(__file__).resolve()]
    assert [str(p) for p in here if forbidden.search(p.read_text())] == []
