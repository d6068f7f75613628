"""Prompts as ComfyUI understands them: text -> chunks of weighted tokens -> context.

`(word)` weighs 1.1, nested brackets multiply, `(word:1.3)` weighs exactly 1.3 whatever stands
around it, `\\(` and `\\)` are plain brackets, `embedding:NAME` stands for a file's vectors. Every
chunk has 77 tokens: start, up to 75 of the prompt, end, and padding with token 0, as SD2's text
encoder was trained.
"""

import functools
import gzip
import importlib.util
import json
import math
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..disk.packages import needed
from . import embeddings
from .folders import EMBEDDINGS, missing

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Token = tuple[int | Tensor, float]  # number in the vocabulary or vector [width], weight
Chunk = list[Token]
TextTower = Callable[[Tensor, Tensor | None], Tensor]

START, END, PAD = 49406, 49407, 0
FIRST_VECTOR = END + 1  # numbers from here on stand for vectors, in `encode`
CHUNK = 77
BODY = CHUNK - 2  # between start and end

# More than any image is described with. Bounds what a text from anywhere costs.
MAX_CHUNKS = 100
MAX_BRACKETS = 100  # in each other; 1.1 to that power is 13,781

# A weighted piece of text shorter than this is not broken across two chunks.
_UNBROKEN = 8


def tokenize(text: str, width: int | None = None) -> list[Chunk]:
    """A prompt as one or more chunks of 77 (token, weight) pairs.

    `width` is that of the text encoder, which an embedding has to have; without it there are none.

    Raises ValueError for a weight that is not finite, for brackets or a text beyond the bounds
    above, for an embedding of another width; FileNotFoundError for one that is not there,
    ModuleNotFoundError when the vocabulary is not installed.
    """
    pieces = parse(text)
    chunks = _chunks(
        [(token, weight) for token in tokens]
        for piece, weight in pieces
        for tokens in _tokens(piece, width)
    )
    if len(chunks) > MAX_CHUNKS:
        raise ValueError(
            f"the prompt of {len(text):,} characters makes {len(chunks)} chunks of {BODY} tokens; "
            f"{MAX_CHUNKS} can be used at most, so shorten it"
        )
    return chunks


def check(text: str) -> None:
    """Raise what `tokenize` raises for brackets, weights, and embeddings that are not there."""
    for piece, _ in parse(text):
        list(_words(piece))


def encode(chunks: list[Chunk], text_tower: TextTower) -> Tensor:
    """The chunks' contexts side by side, [1, 77 * len(chunks), width] float32.

    A token's weight moves its context away from the empty prompt's context at the same place:
    (z - z_empty) * weight + z_empty. `text_tower` maps token numbers int64 [N, 77] to contexts
    float32 [N, 77, width]; a number from FIRST_VECTOR on stands for a row of its second argument,
    which is None where there are no vectors.
    """
    tokens, vectors = _numbered(chunks)
    weights = torch.tensor([[weight for _, weight in chunk] for chunk in chunks])
    if bool((weights == 1).all()):
        return text_tower(tokens, vectors).flatten(0, 1).unsqueeze(0)
    empty, _ = _numbered(_chunks([]))
    rows = text_tower(torch.cat([tokens, empty]), vectors)
    contexts, baseline = rows[:-1], rows[-1]
    weights = weights.to(contexts.device).unsqueeze(-1)  # [N, 77, 1]
    weighted = torch.where(weights == 1, contexts, (contexts - baseline) * weights + baseline)
    return weighted.flatten(0, 1).unsqueeze(0)


def _numbered(chunks: list[Chunk]) -> tuple[Tensor, Tensor | None]:
    """The tokens' numbers, and the vectors that those from FIRST_VECTOR on stand for."""
    vectors: list[Tensor] = []

    def number(token: int | Tensor) -> int:
        if isinstance(token, int):
            return token
        vectors.append(token)
        return FIRST_VECTOR + len(vectors) - 1

    numbers = torch.tensor([[number(token) for token, _ in chunk] for chunk in chunks])
    return numbers, torch.stack(vectors) if vectors else None


def parse(text: str) -> list[tuple[str, float]]:
    """The pieces of a prompt, brackets and escapes resolved, each with its weight."""
    return [(re.sub(r"\\([()])", r"\1", piece), weight) for piece, weight in _weighted(text, 1.0)]


@functools.cache
def tokenizer() -> "PreTrainedTokenizerBase":
    """CLIP's tokenizer with the vocabulary that OpenCLIP ships."""
    with needed("transformers", "Prompts"):
        # transformers 5 has the name at run time only
        from transformers import CLIPTokenizerFast  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        for name, text in vocabulary_files().items():
            Path(folder, name).write_text(text, encoding="utf-8")
        return CLIPTokenizerFast.from_pretrained(folder)


def vocabulary_files() -> dict[str, str]:
    """The vocabulary and the merge rules as transformers stores them, by file name."""
    from tokenizers.pre_tokenizers import ByteLevel

    merges = _merges()
    # Byte symbols, byte symbols that end a word, merged symbols, start and end: the order in
    # which OpenCLIP's tokenizer numbers them (open_clip/tokenizer.py).
    symbols = sorted(ByteLevel.alphabet())  # the printable character that stands for each byte
    words = [*symbols, *(f"{symbol}</w>" for symbol in symbols)]
    words += [merge.replace(" ", "") for merge in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return {
        "vocab.json": json.dumps({word: number for number, word in enumerate(words)}),
        "merges.txt": "\n".join(["#version: 0.2", *merges, ""]),
    }


def engine_package(name: str) -> Path:
    """The folder of a package of the extra `engine`, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"the embedded engine needs the package {name}, which is not installed; "
            'install the extra: pip install "sd2-depth2img[engine]"',
            name=name,
        )
    return Path(spec.origin).parent


# --- Brackets ------------------------------------------------------------------------------------


def _weighted(text: str, weight: float, depth: int = 0) -> Iterator[tuple[str, float]]:
    if depth > MAX_BRACKETS:
        raise ValueError(
            f"the prompt has brackets more than {MAX_BRACKETS} deep in each other; remove some, or "
            "write \\( and \\) for plain ones"
        )
    for piece in _pieces(text):
        if _is_bracketed(piece):
            yield from _weighted(*_own_weight(piece[1:-1], weight * 1.1), depth + 1)
        else:
            yield piece, weight


def _pieces(text: str) -> Iterator[str]:
    """The text cut around its outermost pairs of brackets; without them in one piece."""
    depth, start = 0, 0
    for bracket in re.finditer(r"(?<!\\)[()]", text):
        depth += 1 if bracket[0] == "(" else -1
        opened = bracket[0] == "(" and depth == 1
        closed = bracket[0] == ")" and depth == 0
        if opened or closed:
            cut = bracket.start() if opened else bracket.end()
            if cut > start:
                yield text[start:cut]
            start = cut
    if start < len(text):
        yield text[start:]


def _is_bracketed(piece: str) -> bool:
    return len(piece) >= 2 and piece[0] == "(" and piece[-1] == ")" and piece[-2] != "\\"


def _own_weight(text: str, weight: float) -> tuple[str, float]:
    """Text and weight of `text:weight`; the given weight where the text names none."""
    before, colon, number = text.rpartition(":")
    if not before or not colon:
        return text, weight
    try:
        weight = float(number)
    except ValueError:
        return text, weight
    if not math.isfinite(weight):
        raise ValueError(
            f'the prompt gives "({text})" the weight {weight}; '
            "a weight is a number such as 1.3 (write \\( and \\) for plain brackets)"
        )
    return before, weight


# --- Tokens --------------------------------------------------------------------------------------


def _chunks(pieces: Iterable[list[Token]]) -> list[Chunk]:
    """Lay the pieces out in chunks; a short piece that does not fit starts the next one."""
    bodies: list[list[Token]] = [[]]
    for piece in pieces:
        start = 0
        while start < len(piece):
            room = BODY - len(bodies[-1])
            fits = len(piece) - start <= room
            taken = room if fits or len(piece) >= _UNBROKEN else 0
            bodies[-1] += piece[start : start + taken]
            start += taken
            if start < len(piece):
                bodies.append([])
    return [
        [(START, 1.0), *body, (END, 1.0), *[(PAD, 1.0)] * (BODY - len(body))] for body in bodies
    ]


def _tokens(piece: str, width: int | None) -> Iterator[list[int] | list[Tensor]]:
    """The tokens of a piece of text, those of each embedding by themselves."""
    for word in _words(piece):
        if isinstance(word, str):
            yield tokenizer()(word)["input_ids"][1:-1]
        elif width is None:
            raise ValueError(f"the text encoder takes no embeddings, such as {word.name}")
        else:
            yield list(embeddings.read(word, width))


def _words(piece: str) -> Iterator[str | Path]:
    """The text before, between and after the embeddings that are named in it, and their files."""
    for part in re.split(rf"[ \n](?={_EMBEDDING})", piece):
        if not part.startswith(_EMBEDDING):
            if part:
                yield part
            continue
        name, *others = part[len(_EMBEDDING) :].split() or [""]
        rest = " ".join(others)
        path = embeddings.find(name)
        if path is None and name.endswith(","):  # which may, but need not, belong to the name
            bare = name.rstrip(",")
            path, rest = embeddings.find(bare), f"{name[len(bare) :]} {rest}"
            name = bare
        if path is None:
            raise missing(EMBEDDINGS, name)
        yield path
        if rest:
            yield rest


_EMBEDDING = "embedding:"


def _merges() -> list[str]:
    """The merge rules of CLIP's byte-pair encoding, in order; open_clip is not imported (slow)."""
    path = engine_package("open_clip") / "bpe_simple_vocab_16e6.txt.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")
    return lines[1 : START - 2 * 256 + 1]  # after a version line; the file has more than CLIP uses
