"""What every module in web/ keeps to; without a browser."""

import re

import pytest

import sd2_depth2img
from sd2_depth2img.tools.comfyui import PACK

MODULES = sorted((PACK / "web").rglob("*.js"))
HOSTS = ("/scripts/app.js", "/scripts/api.js")
IMPORT = re.compile(r"""(?:\bfrom\s+|\bimport\s*\(?\s*)["']([^"']+)["']""")


def test_comfyui_is_told_of_the_folder():
    assert (PACK / sd2_depth2img.WEB_DIRECTORY).resolve() == PACK / "web"
    assert MODULES


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_imports_only_its_neighbours_and_two_files_of_the_host(module):
    names = IMPORT.findall(module.read_text(encoding="utf-8"))
    for name in names:
        path = (module.parent / name).resolve()
        own = (
            name.startswith(("./", "../")) and path.is_file() and path.is_relative_to(PACK / "web")
        )
        assert own or name in HOSTS, f"{module.name} imports {name}"


def test_what_computes_edits_knows_no_page():
    for module in PACK.glob("web/editing/*.js"):
        text = module.read_text(encoding="utf-8")
        assert all(name.startswith("./") for name in IMPORT.findall(text)), module.name
        assert "document" not in text, module.name


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_names_no_address_beyond_the_host(module):
    text = module.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")  # a name
    assert not re.search(r"(https?|wss?)://", text)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_builds_no_html_from_text(module):
    text = module.read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)
