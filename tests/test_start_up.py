"""Importing the pack is quick: what only some nodes need waits until they run."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import sd2_depth2img

PACK = Path(sd2_depth2img.__file__).parent
HEAVY = (
    "timm",
    "cv2",
    "transformers",
    "OpenEXR",
    "trimesh",
    "torchvision",
    "diffusers",
    "open_clip",
)
MOST_SECONDS = 0.5

# torch is there before: ComfyUI has imported it. Of the processor's time, as other work may run.
CODE = f"""
import json, sys, time
import torch
start = time.process_time()
from sd2_depth2img import NODE_CLASS_MAPPINGS
for node in NODE_CLASS_MAPPINGS.values():
    node.INPUT_TYPES()
seconds = time.process_time() - start
loaded = [name for name in {HEAVY} if name in sys.modules]
print(json.dumps({{"seconds": seconds, "loaded": loaded}}))
"""


def test_the_nodes_are_there_without_what_only_some_of_them_need():
    runs = []
    for _ in range(3):
        run = [sys.executable, "-c", CODE]
        found = subprocess.run(run, capture_output=True, text=True, check=True).stdout
        runs.append(json.loads(found))
    assert runs[0]["loaded"] == []
    seconds = min(one["seconds"] for one in runs)
    sys.stdout.write(f"importing the nodes took {seconds:.2f} s\n")
    assert seconds < MOST_SECONDS


def test_the_package_itself_brings_nothing_until_it_is_asked():
    code = (
        "import sys, sd2_depth2img as pack; print('torch' in sys.modules, pack.__all__, "
        "pack.DepthToImage.__name__, 'torch' in sys.modules, 'diffusers' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("DepthToImage']")[0].startswith("False")
    assert run.stdout.split()[-3:] == ["DepthToImage", "True", "False"]


@pytest.mark.parametrize("path", sorted(PACK.glob("host/*.py")), ids=lambda path: path.name)
def test_comfyuis_side_asks_for_none_of_it_either(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [
        alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names
    ]
    names += [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert not {name.split(".")[0] for name in names} & set(HEAVY)
