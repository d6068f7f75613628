"""The floors of the house: what may import what, and what the pack asks of those who install it."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import sd2_depth2img

ROOT = Path(sd2_depth2img.__file__).parent

# From the top: a floor may import what stands behind it here, and nothing before it.
FLOORS = (
    *("cli", "painter", "workflows", "nodes", "host", "engine"),
    *("checkpoints", "sampling", "depth", "images", "disk"),
)
REQUIREMENTS = {
    *("torch", "torchvision", "transformers", "safetensors", "timm", "numpy"),
    *("opencv-python-headless", "pillow", "OpenEXR", "trimesh"),
}
HOST_MODULES = {
    *("comfy", "comfy_execution", "folder_paths", "nodes", "latent_preview", "execution", "server")
}
ENGINE_PACKAGES = {"diffusers", "torchsde", "open_clip", "accelerate", "tqdm", "av"}
WITH_ENGINE = ("cli", "workflows", "engine")


def modules() -> list[Path]:
    return [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {dotted(path): path for path in modules()}


def imports(path: Path) -> Iterator[str]:
    """Absolute imports of other packages, wherever in the file they stand."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


def neighbours(path: Path) -> set[str]:
    """The modules of the pack that a file imports; a package counts only for its own names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.relative_to(ROOT).parts[: -node.level]
            start = ".".join((*base, *(node.module or "").split("."))).strip(".")
            names = [f"{start}.{alias.name}".strip(".") for alias in node.names]
            found |= {name if name in MODULES else start for name in names}
    return (found & MODULES.keys()) - {dotted(path)}


def circles(graph: dict[str, set[str]]) -> None:
    """Raises graphlib.CycleError, which names one."""
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("name", MODULES)
def test_imports_only_run_downwards(name):
    floor = FLOORS.index(name.split(".")[0])
    above = {
        other for other in neighbours(MODULES[name]) if FLOORS.index(other.split(".")[0]) < floor
    }
    assert not above


def test_no_circle_between_files():
    circles({name: neighbours(path) for name, path in MODULES.items()})


def test_no_circle_between_folders():
    """A folder's files are one room, and so are those of each folder in it."""

    def room(name: str) -> str:
        parent = MODULES[name].parent
        return str(parent.relative_to(ROOT)) if parent != ROOT else name

    graph: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        graph.setdefault(room(name), set()).update(map(room, neighbours(path)))
    circles({name: others - {name} for name, others in graph.items()})


@pytest.mark.parametrize("name", MODULES)
def test_other_packages_are_imported_only_where_they_are_there(name):
    tops = {other.split(".")[0] for other in imports(MODULES[name])}
    assert "sd2_depth2img" not in tops, "imports inside the package are relative"
    assert name.startswith("host.comfyui") or not tops & HOST_MODULES
    assert name.startswith(WITH_ENGINE) or not tops & ENGINE_PACKAGES, "not in requirements.txt"


def test_requirements_are_what_a_comfyui_user_is_asked_to_install():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    assert {re.split(r"[<>=]", line)[0] for line in lines} == REQUIREMENTS
