"""The pages of ComfyUI's help panel: one for each node, in English and in Chinese.

The panel asks for `docs/NODE/LANGUAGE.md`, then for `docs/NODE.md`, which is English here; it
looks for pictures in `docs` in either case.
"""

import json
import re
from pathlib import Path

import pytest

from sd2_depth2img.nodes import NODES
from sd2_depth2img.tools import help_pictures

PACK = Path(__file__).parents[1]
DOCS = PACK / "web" / "docs"
MOST_BYTES = 60_000  # of a picture
FILM = DOCS / "depth_editor.gif"  # made by a test in tests/web
HEADINGS = {
    "en": ("Inputs", "Outputs", "Example", "When something goes wrong"),
    "zh": ("输入", "输出", "示例", "出错时"),
}
PAGES = [(node, language) for node in NODES for language in HEADINGS]


def page_of(node, language):
    name = node.__name__
    return DOCS / (f"{name}.md" if language == "en" else f"{name}/{language}.md")


def translated(node, language):
    path = PACK / "locales" / language / "nodeDefs.json"
    return json.loads(path.read_text(encoding="utf-8")).get(node.__name__, {})


def labels(node, language):
    """What the canvas calls the inputs and outputs of a node."""
    found = translated(node, language)
    declared = node.INPUT_TYPES()
    names = [*declared["required"], *declared.get("optional", {})]
    outputs = enumerate(getattr(node, "RETURN_NAMES", ()))
    return (
        [found.get("inputs", {}).get(name, {}).get("name", name) for name in names],
        [found.get("outputs", {}).get(str(i), {}).get("name", name) for i, name in outputs],
    )


def sections(text):
    """The text below each heading of the second level."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize(("node", "language"), PAGES, ids=lambda v: getattr(v, "__name__", v))
def test_a_page_names_every_input_and_output_as_the_canvas_does(node, language):
    text = page_of(node, language).read_text(encoding="utf-8")
    title = translated(node, language).get("display_name", node.DISPLAY_NAME)
    assert text.startswith(f"# {title}\n")
    parts = sections(text)
    assert tuple(parts) == HEADINGS[language]
    for heading, expected in zip(HEADINGS[language], labels(node, language), strict=False):
        named = set(re.findall(r"\*\*(.+?)\*\*", parts[heading]))
        assert named == set(expected), heading


@pytest.mark.parametrize(("node", "language"), PAGES, ids=lambda v: getattr(v, "__name__", v))
def test_the_templates_that_a_page_names_are_there(node, language):
    text = page_of(node, language).read_text(encoding="utf-8").replace("\n", " ")
    for template in re.findall(r"(?:template|模板) ?\*(.+?)\*", text):
        assert (PACK / "example_workflows" / f"{template}.json").is_file()


def test_pictures_are_there_and_small():
    shown = {
        (DOCS / name).resolve()
        for path in DOCS.rglob("*.md")
        for name in re.findall(r"!\[.+?\]\((.+?)\)", path.read_text(encoding="utf-8"))
    }
    shown.remove(FILM)
    assert shown == set(DOCS.rglob("*.jpg")) == {DOCS / f"{n}.jpg" for n in help_pictures.PAGES}
    assert all(path.stat().st_size < MOST_BYTES for path in shown)
    assert FILM.stat().st_size < 1_500_000


def test_there_are_no_other_pages():
    pages = {page_of(node, language) for node, language in PAGES}
    assert set(DOCS.rglob("*.md")) == pages
