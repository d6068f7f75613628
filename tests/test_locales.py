"""The translations: English labels for the names that are no words, and all of it in Chinese.

ComfyUI's page takes what the nodes say themselves for English, so `locales/en` has only what they
do not say. It shows the value of a dropdown as it is; `options` are for this pack's own script.
"""

import json
import re
from pathlib import Path

import pytest

from sd2_depth2img.nodes import NODES

LOCALES = Path(__file__).parents[1] / "locales"
WEB = LOCALES.parent / "web"
NAMES = {"ckpt_name", "model_name", "image", "sampler_name", "scheduler", "bits"}  # of files &c.
BY_ID = {node.__name__: node for node in NODES}


def read(language, name="nodeDefs"):
    return json.loads((LOCALES / language / f"{name}.json").read_text(encoding="utf-8"))


def inputs_of(node):
    inputs = node.INPUT_TYPES()
    return {**inputs["required"], **inputs.get("optional", {})}


def words_of(node, name):
    """The entries of a dropdown, unless they are names of files or of samplers."""
    entries = inputs_of(node)[name][0]
    return entries if isinstance(entries, list) and name not in NAMES else []


def texts(found):
    """Every text in a dictionary of dictionaries, with the way to it."""
    for key, value in found.items():
        if isinstance(value, str):
            yield key, value
        else:
            yield from ((f"{key}.{way}", text) for way, text in texts(value))


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.__name__)
def test_labels_are_words(node):
    found = read("en").get(node.__name__, {})
    outputs = getattr(node, "RETURN_NAMES", ())
    odd = {
        "inputs": {name for name in inputs_of(node) if "_" in name},
        "outputs": {str(index) for index, name in enumerate(outputs) if "_" in name},
    }
    assert {kind: set(found.get(kind, {})) for kind in odd} == odd
    for entries in found.values():
        for label in entries.values():
            assert set(label) == {"name"}
            assert re.fullmatch(r"[a-z][a-z -]+", label["name"])


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.__name__)
def test_everything_is_there_in_chinese(node):
    found = read("zh")[node.__name__]
    assert set(found["inputs"]) == set(inputs_of(node))
    for name, label in found["inputs"].items():
        assert set(label) - {"options"} == {"name", "tooltip"}, name
        assert list(label.get("options", {})) == words_of(node, name), name
    outputs = found.get("outputs", {})
    assert list(outputs) == [str(index) for index in range(len(node.RETURN_TYPES))]
    assert all(set(output) == {"name", "tooltip"} for output in outputs.values())
    for name in ("display_name", "description"):
        assert re.search(r"[\u4e00-\u9fff]", found[name])


def test_nothing_else_is_translated():
    assert set(read("zh")) == set(BY_ID)
    assert set(read("en")) <= set(BY_ID)


def test_chinese_is_no_copy_of_the_english():
    plain = re.compile(r"[A-Za-z0-9 .,()/-]*")
    copies = [
        way
        for way, text in texts(read("zh"))
        if plain.fullmatch(text) and not way.endswith(".name") and ".options." not in way
    ]
    assert not copies


def numbers(text):
    return set(re.findall(r"(?<![A-Za-z])\d+(?:[.,]\d+)*", text))


def pairs():
    """English and Chinese of every description and tooltip."""
    for identity, found in read("zh").items():
        node = BY_ID[identity]
        yield identity, node.DESCRIPTION, found["description"]
        for name, spec in inputs_of(node).items():
            yield f"{identity}.{name}", spec[1]["tooltip"], found["inputs"][name]["tooltip"]
        for index, english in enumerate(getattr(node, "OUTPUT_TOOLTIPS", ())):
            yield f"{identity}.{index}", english, found["outputs"][str(index)]["tooltip"]


@pytest.mark.parametrize(("way", "english", "chinese"), list(pairs()), ids=lambda v: v[:30])
def test_numbers_are_those_of_the_english(way, english, chinese):
    """So that a limit or a default that changes does not stay behind in the translation."""
    assert numbers(english) == numbers(chinese), way


def test_no_text_has_a_character_that_the_page_would_interpret():
    for language in ("en", "zh"):
        for way, text in texts(read(language)):
            assert not set("{}@|") & set(text), way


def test_the_nodes_to_start_with_come_first_in_chinese_too():
    names = {identity: found["display_name"] for identity, found in read("zh").items()}
    assert {identity for identity, name in names.items() if name.startswith("深度")} == {
        "SD2DepthCheckpointLoader",
        "SD2DepthEstimate",
        "SD2DepthLoad",
        "SD2DepthEncode",
        "SD2DepthSampler",
    }
    assert len(set(names.values())) == len(names)


def test_categories_are_there_in_chinese():
    known = {"loaders", "image", "conditioning", "sampling"}  # ComfyUI's own page has these
    parts = {part for node in NODES for part in node.CATEGORY.split("/")}
    assert set(read("zh", "main")["nodeCategories"]) == parts - known


LITERAL = r'"(?:[^"\n]|"\s*\+\s*")*"'


def test_every_sentence_of_a_script_is_there_in_chinese():
    scripts = " ".join(path.read_text(encoding="utf-8") for path in WEB.rglob("*.js"))
    said = re.findall(rf"\b(?:say|StateError)\(\s*({LITERAL})", scripts)
    filled = [one for one in re.findall(LITERAL, scripts) if re.search(r"(?<!\$)\{\w+\}", one)]
    spoken = {"".join(re.findall(r'"([^"]*)"', one)) for one in (*said, *filled)}
    known = read("zh", "main")["sd2_depth2img"]
    assert spoken == set(known)
    for sentence, translation in known.items():
        assert set(re.findall(r"\{\w+\}", sentence)) == set(re.findall(r"\{\w+\}", translation))
