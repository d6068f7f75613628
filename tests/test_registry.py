"""What ComfyUI's registry asks of a pack, and what is in the archive that it hands out."""

import ast
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

import sd2_depth2img
from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    from pip._vendor import tomli as tomllib

ROOT = Path(sd2_depth2img.__file__).parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, COMFY = PYPROJECT["project"], PYPROJECT["tool"]["comfy"]
FRONTEND = "comfyui-frontend-package"
# Those that the registry knows: https://docs.comfy.org/registry/specifications
SYSTEMS = re.compile(r"Operating System :: (OS Independent|Microsoft|POSIX|MacOS)\b")
GPUS = {
    f"Environment :: {kind}"
    for kind in (
        *("GPU :: NVIDIA CUDA", "GPU :: AMD ROCm", "GPU :: Intel Arc", "GPU :: Apple Metal"),
        "NPU :: Huawei Ascend",
    )
}
MOST_BYTES = 22_000_000  # of the archive
WITH_DATA = ("models", "example_workflows", "web", "locales", "subgraphs")


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def git(*arguments):
    answer = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        pytest.skip("this is no checkout of git")
    return answer.stdout.rstrip("\0").split("\0")


# --- pyproject.toml ------------------------------------------------------------------------------


def test_the_name_is_one_that_the_registry_takes():
    assert re.fullmatch(r"[a-z](?:[a-z0-9]|[-_.](?=[a-z0-9])){1,98}", PROJECT["name"])
    assert "comfyui" not in PROJECT["name"]
    assert COMFY["DisplayName"]
    assert COMFY["PublisherId"]


def test_the_version_is_semantic_and_the_newest_of_the_changelog():
    assert re.fullmatch(r"\d+\.\d+\.\d+", PROJECT["version"])
    newest = re.search(r"^## (.+)$", text("CHANGELOG.md"), re.MULTILINE)
    assert newest.group(1) == PROJECT["version"]


def test_the_oldest_comfyui_is_the_oldest_that_is_tested():
    (tested,) = re.findall(r"Tested with ComfyUI ([\d.]+),", text("README.md"))
    assert COMFY["requires-comfyui"] == f">={tested}"


def test_the_dependencies_are_the_requirements_and_the_oldest_frontend():
    floors = [one for one in PROJECT["dependencies"] if one.startswith(FRONTEND)]
    assert len(floors) == 1
    assert re.fullmatch(rf"{FRONTEND}>=\d+\.\d+\.\d+", floors[0])
    others = [one for one in PROJECT["dependencies"] if one not in floors]
    assert others == text("requirements.txt").split()
    assert len(others) <= 10
    assert not any(re.search(r"==|~=|<|@", one) for one in others), "users have other packs, too"


def test_the_frontend_need_not_be_installed_for_the_command_line():
    """The way around it in the docs installs the same as the extra."""
    (line,) = re.findall(r"pip install -r requirements.txt (.+)", text("docs/command-line.md"))
    extra = PROJECT["optional-dependencies"]["engine"]
    assert line.split() == [re.split(r"[^\w-]", one)[0] for one in extra]
    assert FRONTEND not in text("requirements.txt")


def test_systems_and_gpus_are_those_that_the_registry_knows():
    systems = [one for one in PROJECT["classifiers"] if SYSTEMS.match(one)]
    gpus = set(PROJECT["classifiers"]) & GPUS
    assert systems
    assert gpus
    assert len(systems) + len(gpus) == len(PROJECT["classifiers"])


def addresses():
    return {**PROJECT["urls"], "Icon": COMFY["Icon"], "Banner": COMFY["Banner"]}


def test_the_repository_is_named_in_one_file():
    """Who publishes the pack puts a name in place of OWNER, in this file only."""
    repository = re.fullmatch(r"https://github\.com/([^/]+/[^/]+)", addresses()["Repository"])
    assert {"Repository", "Documentation", "Bug Tracker"} <= addresses().keys()
    for address in addresses().values():
        assert re.match(
            rf"https://(raw\.)?github(usercontent)?\.com/{repository.group(1)}(/|$)", address
        )
    naming = [name for name in git() if repository.group(1).encode() in (ROOT / name).read_bytes()]
    assert naming == ["pyproject.toml"]


@pytest.mark.parametrize("name", ["Icon", "Banner", "Documentation", "Changelog"])
def test_addresses_within_the_repository_lead_to_what_is_there(name):
    (path,) = re.findall(r"/main/(.+)$", addresses()[name])
    assert (ROOT / path).exists()


# --- workflows -----------------------------------------------------------------------------------


def steps(name):
    document = yaml.safe_load(text(f".github/workflows/{name}"))
    (job,) = document["jobs"].values()
    return document[True], job["steps"]  # YAML takes the key `on` for a yes


def test_a_version_tag_publishes_by_the_registrys_own_action():
    when, (checkout, publish) = steps("publish.yml")
    assert when == {"push": {"tags": ["v*.*.*"]}}
    assert checkout["uses"].startswith("actions/checkout@")
    assert publish["uses"].startswith("Comfy-Org/publish-node-action@")
    assert publish["with"] == {"personal_access_token": "${{ secrets.REGISTRY_ACCESS_TOKEN }}"}


def test_continuous_integration_runs_what_makes_the_tests():
    when, (*_, last) = steps("ci.yml")
    assert {"push", "pull_request"} <= when.keys()
    assert last == {"run": ".ci/run"}
    assert (ROOT / ".ci/run").stat().st_mode & 0o100


# --- the archive ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive():
    """The names of its files: what git tracks without what .comfyignore names."""
    return sorted(set(git()) - set(git("-c", "-i", "--exclude-from=.comfyignore")))


@pytest.fixture(scope="module")
def unpacked(archive, tmp_path_factory):
    """The archive's files in a folder of their own."""
    folder = tmp_path_factory.mktemp("unpacked") / "sd2_depth2img"
    for name in archive:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def test_the_archive_is_small(archive, tmp_path):
    with zipfile.ZipFile(tmp_path / "pack.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name in archive:
            file.write(ROOT / name, name)
    assert (tmp_path / "pack.zip").stat().st_size <= MOST_BYTES


def test_the_archive_has_what_users_need_and_nothing_of_the_developers(archive):
    needed = {"__init__.py", "pyproject.toml", "requirements.txt", "README.md", "LICENSE"}
    needed |= {"models/sd2-depth-mini.safetensors", "docs/icon.png", "docs/banner.jpg"}
    assert needed <= set(archive)
    tracked = {name for name in git() if name.startswith(tuple(f"{one}/" for one in WITH_DATA))}
    assert tracked <= set(archive)
    tops = {name.split("/")[0] for name in archive}
    assert not tops & {"tests", "tools", "benchmarks", ".ci", ".github", "Makefile"}


def test_what_the_readme_links_to_is_in_the_archive(archive):
    links = re.findall(r"\]\((?![a-z]+:)([^)#]+)[^)]*\)", text("README.md"))
    assert {"CONTRIBUTING.md", "docs/demo.jpg"} <= set(links)
    assert {unquote(name) for name in links} <= set(archive)


# What scanners refuse: other programs, code made of text, packages installed at run time.
FORBIDDEN = {
    *("subprocess", "pty", "pip", "ensurepip", "pkg_resources", "ctypes", "marshal"),
    *("eval", "exec", "compile", "__import__", "os."),
}
STARTS = re.compile(r"system|popen|spawn\w+|exec\w+|startfile|fork\w*")


def forbidden(source):
    """The forbidden imports and calls of a Python file, with their lines."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module.split(".")[0]]
        elif isinstance(node, ast.Attribute) and STARTS.fullmatch(node.attr):
            names = [f"{ast.unparse(node.value)}."]
        elif isinstance(node, ast.Call):
            names = [ast.unparse(node.func)]
        yield from ((node.lineno, name) for name in names if name in FORBIDDEN)


@pytest.mark.parametrize(
    "source",
    [
        *("import subprocess", "from subprocess import run", "eval('1')", "exec('')"),
        *("os.system('x')", "os.execv('x', [])", "from pip import main", "__import__('x')"),
    ],
)
def test_what_is_forbidden_is_found(source):
    assert list(forbidden(source))


def test_nothing_forbidden_is_in_the_archive(archive):
    assert not list(forbidden("network.eval()\nre.compile('x')\nos.path"))
    found = {name: list(forbidden(text(name))) for name in archive if name.endswith(".py")}
    assert len(found) > 100
    assert {name: lines for name, lines in found.items() if lines} == {}
    scripts = [name for name in archive if name.endswith((".js", ".mjs"))]
    pattern = (
        r"\beval\(|new Function\(|document\.write|https?://(?!www\.w3\.org/)|\bimport\(\s*[^\"'\s]"
    )
    assert not [name for name in scripts if re.search(pattern, text(name))]
    programs = (".so", ".dll", ".exe", ".pyd", ".pyc", ".sh", ".bat", ".whl", ".zip")
    assert not [name for name in archive if name.endswith(programs)]


def run(folder, code):
    """What code prints that runs beside a folder with the pack in it."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}"],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


RUN = """
import json, pathlib
import sd2_depth2img
from sd2_depth2img.cli import demo, main
from sd2_depth2img.engine import folders
from sd2_depth2img.nodes.load import BUNDLED_CHECKPOINT
from sd2_depth2img.workflows.graph import Runner, Workflow, parse_workflow

pack = pathlib.Path(sd2_depth2img.__file__).parent
folders.use(folders.Folders.below(pathlib.Path("elsewhere")))
photo = pack / "example_workflows" / "astronaut.jpg"
nodes = {
    "1": ("SD2DepthCheckpointLoader", {"ckpt_name": BUNDLED_CHECKPOINT.name}),
    "2": ("LoadImage", {"image": str(photo)}),
    "3": ("SD2DepthEstimate", {"image": ["2", 0], "depth_model": ["1", 3], "resolution": 64}),
    "4": ("SD2DepthSave", {"depth": ["3", 0], "filename_prefix": "depth"}),
}
graph = {key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in nodes.items()}
Runner().run(Workflow(graph))
examples = [json.loads(file.read_text("utf-8")) for file in pack.glob("example_workflows/*.json")]
print(json.dumps({
    "pack": str(pack),
    "nodes": list(sd2_depth2img.NODE_CLASS_MAPPINGS),
    "demo": pathlib.Path(demo.__file__).is_relative_to(pack),
    "examples": [len(parse_workflow(canvas).prompt) for canvas in examples],
}))
"""


def test_the_pack_runs_from_the_archive_alone_and_writes_nothing_into_its_folder(unpacked):
    before = sorted(path for path in unpacked.rglob("*"))
    found = json.loads(run(unpacked.parent, RUN))
    assert found["pack"] == str(unpacked)
    assert found["nodes"] == list(NODE_CLASS_MAPPINGS)
    assert len(found["examples"]) == len(list(ROOT.glob("example_workflows/*.json")))
    assert sorted(path for path in unpacked.rglob("*")) == before
    assert list(unpacked.parent.glob("elsewhere/output/*.png"))


def test_importing_it_takes_neither_comfyui_nor_torch(unpacked):
    """ComfyUI's scanners and `depth2img --help` do without."""
    code = "sys.modules.update(torch=None, comfy=None, numpy=None)\nimport sd2_depth2img\n"
    code += "from sd2_depth2img.cli.main import main\n"
    code += "try:\n    main(['--help'])\nexcept SystemExit as end:\n    print(end.code)"
    assert run(unpacked.parent, code).strip().endswith("\n0")


def test_the_wheel_has_the_data_too(unpacked, tmp_path):
    """Also web pages, translations and blueprints, in folders within folders."""
    source = tmp_path / "source"
    shutil.copytree(unpacked, source)
    added = ("web/a.js", "web/docs/Node.md", "locales/zh/nodeDefs.json", "subgraphs/Some One.json")
    for name in added:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("{}")
    code = f"from setuptools import build_meta\nbuild_meta.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = {name.removeprefix("sd2_depth2img/") for name in zipfile.ZipFile(wheel).namelist()}
    data = [path for top in WITH_DATA for path in (source / top).rglob("*") if path.is_file()]
    expected = {path.relative_to(source).as_posix() for path in data}
    assert {*added} <= expected
    assert expected - {"models/sd2-depth-mini.sha256"} <= names
