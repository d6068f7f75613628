"""Textual inversions: how a prompt names them, what their files look like, what the tower sees.

`tests/comfyui/test_in_comfyui_embeddings.py` compares the contexts with ComfyUI's.
"""

import pytest
import torch
from safetensors.torch import save_file

from sd2_depth2img.checkpoints.checkpoint import Checkpoint
from sd2_depth2img.engine import embeddings, prompt
from sd2_depth2img.engine.embeddings import OtherEmbedding
from sd2_depth2img.engine.networks import load, text_tower
from sd2_depth2img.workflows.core_nodes import CORE_NODES

pytestmark = pytest.mark.usefixtures("one_thread")

WIDTH = 64
VECTORS = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def folder(base):
    place = base / "models" / "embeddings"
    (place / "styles").mkdir(parents=True)
    save_file({"emb_params": VECTORS}, place / "bronze.safetensors")
    save_file({"emb_params": VECTORS[:1] * 2}, place / "styles" / "ink.safetensors")
    return place


@pytest.fixture(scope="module")
def clip(mini_checkpoint):
    return load(Checkpoint.open(mini_checkpoint), "cpu")[1]


def tokens(text):
    """Words' numbers, and of vectors the first number, of the first chunk."""
    (chunk, *_) = prompt.tokenize(text, WIDTH)
    end = next(
        at for at, (token, _) in enumerate(chunk) if isinstance(token, int) and token == prompt.END
    )
    return [
        (token if isinstance(token, int) else round(token[0].item(), 4), weight)
        for token, weight in chunk[1:end]
    ]


def known(*rows):
    return [(round(row[0].item(), 4), 1.0) for row in rows]


CAT, COMMA = (2368, 1.0), (267, 1.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("embedding:bronze", known(*VECTORS)),
        ("embedding:bronze.safetensors", known(*VECTORS)),
        ("cat embedding:bronze cat", [CAT, *known(*VECTORS), CAT]),
        ("cat\nembedding:bronze\ncat", [CAT, *known(*VECTORS), CAT]),
        ("embedding:bronze, cat", [*known(*VECTORS), COMMA, CAT]),
        ("embedding:bronze embedding:ink", known(*VECTORS, VECTORS[0] * 2)),
        ("embedding:styles/ink", known(VECTORS[0] * 2)),
        ("embedding:styles\\ink", known(VECTORS[0] * 2)),
        ("(embedding:ink:1.3)", [(known(VECTORS[0] * 2)[0][0], 1.3)]),
    ],
)
def test_a_prompt_names_them(folder, text, expected):
    assert tokens(text) == expected


def test_a_comma_may_belong_to_the_name(folder):
    (folder / "bronze.safetensors").rename(folder / "bronze,.safetensors")
    assert tokens("embedding:bronze, cat") == [*known(*VECTORS), CAT]


def test_the_vectors_stand_where_words_would(folder, clip):
    """Vectors that are the table's own rows for a word give what the word gives."""
    table = text_tower(clip.network).get_submodule("embeddings.token_embedding").weight
    save_file({"emb_params": table[[2368, 1929]].clone()}, folder / "words.safetensors")
    by_name = clip.encode(clip.tokenize("a (embedding:words:1.4) house"))
    by_word = clip.encode(clip.tokenize("a (cat dog:1.4) house"))
    assert torch.allclose(by_name, by_word, atol=1e-6)
    assert torch.equal(clip.encode(clip.tokenize("a cat")), clip.encode(clip.tokenize("a cat")))


def test_long_ones_are_divided_among_chunks(folder):
    save_file({"emb_params": torch.ones(100, WIDTH)}, folder / "long.safetensors")
    assert len(prompt.tokenize("embedding:long", WIDTH)) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "a1111.pt",
            {"string_to_token": {"*": 265}, "string_to_param": {"*": VECTORS}, "name": "x"},
        ),
        ("diffusers.bin", {"<bronze>": VECTORS}),
        ("one.pt", {"<bronze>": VECTORS[0]}),
        ("several.pt", {"other": torch.ones(7), "clip_h": VECTORS}),
    ],
)
def test_the_files_of_every_program(folder, name, content):
    torch.save(content, folder / name)
    vectors = embeddings.read(embeddings.find(name.split(".")[0]), WIDTH)
    assert torch.equal(vectors, VECTORS[:1] if name == "one.pt" else VECTORS)


def test_one_for_another_model_is_refused(folder):
    save_file({"emb_params": torch.ones(2, 768)}, folder / "old.safetensors")
    said = r"old.safetensors has vectors of 768.*have 64.*embedding for Stable Diffusion 1.5"
    with pytest.raises(OtherEmbedding, match=said):
        prompt.tokenize("embedding:old", WIDTH)


@pytest.mark.parametrize("name", ["gone", "../bronze", "/etc/passwd", "styles/bronze"])
def test_a_missing_one_is_named_before_the_run_with_what_is_there(folder, name):
    """ComfyUI leaves it out with a line in its log."""
    said = CORE_NODES["CLIPTextEncode"].VALIDATE_INPUTS(text=f"a cat, embedding:{name}, red")
    assert said.startswith(f"there is no textual inversion {name!r} in {folder}")
    assert said.endswith("there are bronze.safetensors, styles/ink.safetensors")
    with pytest.raises(FileNotFoundError):
        prompt.tokenize(f"embedding:{name}", WIDTH)


def test_an_unnamed_one_is_an_error(folder):
    with pytest.raises(FileNotFoundError):
        prompt.tokenize("a cat embedding:", WIDTH)
