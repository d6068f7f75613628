"""Textual inversions in prompts: the same context from both hosts."""

import pytest
import torch
from safetensors.torch import save_file

LIMIT = 1e-4  # relative L2 error
WIDTH = 64  # of the miniature's text encoder

TEXTS = [
    "embedding:bronze",
    "a cat, embedding:bronze, in the rain",
    "a cat embedding:bronze embedding:sub/ink on a (wet:1.3) street",
    "(embedding:bronze.safetensors:1.4) statue",
    "((embedding:ink)) and\nembedding:bronze\nbelow",
    "embedding:a1111 cat",
    "embedding:diffusers, cat",
    "many words " * 37 + "embedding:bronze",  # does not fit into the first chunk
    "embedding:long",
]


@pytest.fixture(scope="module")
def files(comfyui):
    folder = comfyui.folder("models/embeddings")
    (folder / "sub").mkdir(parents=True)
    vectors = torch.randn(12, WIDTH, generator=torch.Generator().manual_seed(0))
    save_file({"emb_params": vectors[:3]}, folder / "bronze.safetensors")
    save_file({"emb_params": vectors[3:4]}, folder / "sub" / "ink.safetensors")
    save_file({"emb_params": vectors.repeat(10, 1)}, folder / "long.safetensors")
    content = {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors[4:6]}}
    torch.save(content, folder / "a1111.pt")
    torch.save({"<cat>": vectors[6]}, folder / "diffusers.bin")


@pytest.mark.usefixtures("files")
def test_prompts_with_embeddings(run_both, depth_graph):
    graph = depth_graph(encode_depth=False)
    for text in TEXTS:
        graph.add("TestKeep", value=graph.prompt(text))
    for text, (theirs, ours) in zip(TEXTS, run_both(graph), strict=True):
        theirs, ours = theirs[0][0], ours[0][0]
        assert theirs.shape == ours.shape, text
        assert (ours - theirs).norm() < LIMIT * theirs.norm(), text
