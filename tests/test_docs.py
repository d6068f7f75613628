"""The documentation: its links lead somewhere, and what it lists is what there is."""

import argparse
import ast
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

import sd2_depth2img
from sd2_depth2img.cli import arguments
from sd2_depth2img.engine.samplers import SAMPLERS, SCHEDULERS
from sd2_depth2img.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from sd2_depth2img.workflows.graph import all_nodes

ROOT = Path(sd2_depth2img.__file__).parent
README = ROOT / "README.md"
COMMAND_LINE = ROOT / "docs" / "command-line.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "tools" / "train_mini" / "README.md",
    ROOT / "tools" / "train_mini" / "render" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

MOST_WORDS = 1500  # of the README


def text(page):
    return page.read_text(encoding="utf-8")


def section(page, heading):
    """What stands below a heading of the second level, up to the next one."""
    assert f"\n## {heading}\n" in text(page), f"{page.name} has no section {heading}"
    return text(page).split(f"\n## {heading}\n")[1].split("\n## ")[0]


# --- links ---------------------------------------------------------------------------------------


def relative_links(page):
    links = re.findall(r"\]\(([^)]+)\)", text(page))
    return [link for link in links if not re.match(r"[a-z]+:", link)]


def anchors(page):
    """The headings as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@each_page
def test_relative_links_lead_to_files_and_headings(page):
    for link in relative_links(page):
        place, _, anchor = unquote(link).partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_of_the_docs_is_linked_from_the_readme():
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in relative_links(README)}
    assert linked >= {page for page in PAGES if page.parent == ROOT / "docs"}


# --- the README ----------------------------------------------------------------------------------


def test_the_readme_is_short():
    assert len(text(README).split()) <= MOST_WORDS


def test_the_readme_lists_every_node():
    rows = re.findall(r"^\| \*\*(.+?)\*\* \|", section(README, "The nodes"), re.MULTILINE)
    assert sorted(rows) == sorted(NODE_DISPLAY_NAME_MAPPINGS.values())


def test_the_readme_lists_every_example_workflow():
    rows = re.findall(r"^\| \*(.+?)\* \|", section(README, "Example workflows"), re.MULTILINE)
    assert sorted(rows) == sorted(path.stem for path in ROOT.glob("example_workflows/*.json"))


# --- the command line ----------------------------------------------------------------------------


def commands():
    """Name of each command -> its options."""
    (chosen,) = (
        action
        for action in arguments.parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return {
        name: {option for action in parser._actions for option in action.option_strings}
        for name, parser in chosen.choices.items()
    }


def test_every_command_has_a_section():
    headings = re.findall(r"^## ([a-z-]+)$", text(COMMAND_LINE), re.MULTILINE)
    assert sorted(headings) == sorted(commands())


@pytest.mark.parametrize("command", commands())
def test_every_option_of_a_command_stands_in_its_section(command):
    common = {"-h", "--help", "--debug"}
    said = set(re.findall(r"--[a-z][a-z-]+", section(COMMAND_LINE, command)))
    assert said == commands()[command] - common


def test_samplers_and_schedulers_are_those_of_the_engine():
    for what, known in (("samplers", SAMPLERS), ("schedulers", SCHEDULERS)):
        (names,) = re.findall(rf"^- {what}: (.+)[;.]$", text(COMMAND_LINE), re.MULTILINE)
        assert sorted(names.split(", ")) == sorted(known)


def test_the_core_nodes_are_those_of_the_engine():
    _, listed = text(COMMAND_LINE).split("each compared with the original:\n\n")
    entries = listed.split("\n\n")[0].removeprefix("- ").split("\n- ")
    found = [
        name for entry in entries for name in " ".join(entry.split()).split(": ")[1].split(", ")
    ]
    core = all_nodes().keys() - NODE_CLASS_MAPPINGS.keys()
    assert sorted(found) == sorted(all_nodes()[name].DISPLAY_NAME for name in core)


# --- architecture --------------------------------------------------------------------------------


FOLDERS = [path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name != "tools"]


def test_every_folder_of_the_package_is_in_the_table():
    inits = (path for folder in FOLDERS for path in folder.rglob("__init__.py"))
    folders = {f"{path.parent.relative_to(ROOT).as_posix()}/" for path in inits}
    rows = re.findall(r"^\| \[`(.+?)`\]", section(ARCHITECTURE, "The folders"), re.MULTILINE)
    assert folders <= set(rows)


def test_the_functions_and_classes_that_it_names_exist():
    """`name()` and `Class.name()`, wherever in the package they are defined."""
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for folder in FOLDERS
        for path in folder.rglob("*.py")
    ]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    known = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    named = re.findall(r"`([\w.]+)\(\)`", text(ARCHITECTURE))
    assert len(named) > 20
    assert {part for name in named for part in name.split(".")} <= known
