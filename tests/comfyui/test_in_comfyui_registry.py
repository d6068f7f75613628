"""What ComfyUI reads in the pack's pyproject.toml, by the rules of its registry."""

import json
import subprocess

from sd2_depth2img.tools.comfyui import PACK, Program

CODE = """
import sys
from comfy_config.config_parser import extract_node_configuration
print(extract_node_configuration(sys.argv[1]).model_dump_json())
"""


def test_it_finds_the_versions_systems_and_gpus(comfyui):
    command = [Program.find().python, "-c", CODE, PACK]
    told = subprocess.run(command, cwd=comfyui.program, capture_output=True, check=True, text=True)
    found = json.loads(told.stdout)
    project, pack = found["project"], found["tool_comfy"]
    assert project["supported_comfyui_version"] == ">=0.3.64"
    assert project["supported_comfyui_frontend_version"] == ">=1.27.10"
    assert project["supported_os"] == ["OS Independent"]
    assert len(project["supported_accelerators"]) == 4
    assert pack["display_name"] == "Depth2Img for ComfyUI"
