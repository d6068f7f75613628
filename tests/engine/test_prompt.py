"""Prompts: brackets, weights, chunks and token numbers as in ComfyUI."""

import math
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer

from sd2_depth2img.engine import prompt
from sd2_depth2img.engine.prompt import BODY, CHUNK, END, PAD, START, encode, parse, tokenize


def bodies(chunks):
    """The tokens between start and end of each chunk; checks everything around them."""
    result = []
    for chunk in chunks:
        assert len(chunk) == CHUNK
        assert chunk[0] == (START, 1.0)
        padding = 0
        while chunk[CHUNK - 1 - padding] == (PAD, 1.0):
            padding += 1
        assert chunk[CHUNK - 1 - padding] == (END, 1.0)
        result.append(chunk[1 : CHUNK - 1 - padding])
    return result


def ids(text):
    return [token for body in bodies(tokenize(text)) for token, _ in body]


# --- Brackets and weights -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("a cat", [("a cat", 1.0)]),
        ("a (red) cat", [("a ", 1.0), ("red", 1.1), (" cat", 1.0)]),
        ("((red))", [("red", 1.1 * 1.1)]),
        ("(red:1.3)", [("red", 1.3)]),
        ("(red: 0.5 )", [("red", 0.5)]),
        ("(red:-1)", [("red", -1.0)]),
        ("(a (b) c:1.5)", [("a ", 1.5), ("b", 1.5 * 1.1), (" c", 1.5)]),
        # A named weight is absolute, whatever stands around it.
        ("(a (b:1.2):3)", [("a ", 3.0), ("b", 1.2)]),
        ("((b:1.2))", [("b", 1.2)]),
        ("(ratio 16:9:1.2)", [("ratio 16:9", 1.2)]),
        ("(16:b)", [("16:b", 1.1)]),
        ("(:1.3)", [(":1.3", 1.1)]),
        ("(b:)", [("b:", 1.1)]),
        ("()", []),
        (r"a \(b\) c", [("a (b) c", 1.0)]),
        (r"(smile \(:\):1.2)", [("smile (:)", 1.2)]),
        (r"back\slash", [(r"back\slash", 1.0)]),
        # Brackets without a partner are text.
        ("(open", [("(open", 1.0)]),
        ("closed) (b:1.2)", [("closed) (b:1.2)", 1.0)]),
        ("(a (b)", [("a ", 1.1), ("(b", 1.1)]),
    ],
)
def test_pieces_and_weights(text, pieces):
    assert parse(text) == [(piece, pytest.approx(weight)) for piece, weight in pieces]


@given(st.text(st.characters(exclude_characters="()", exclude_categories=["Cs"])))
def test_text_without_brackets_is_kept_to_the_letter(text):
    assert parse(text) == ([(text, 1.0)] if text else [])


@given(st.text(st.characters(exclude_characters="\\", exclude_categories=["Cs"])))
def test_escaped_brackets_are_kept_to_the_letter(text):
    escaped = text.replace("(", r"\(").replace(")", r"\)")
    assert parse(escaped) == ([(text, 1.0)] if text else [])


@given(st.text("ab ():1.2\\"))
def test_any_text_is_parsed_and_its_letters_stay_in_order(text):
    pieces = parse(text)
    assert all(math.isfinite(weight) for _, weight in pieces)
    letters = [letter for piece, _ in pieces for letter in piece if letter in "ab"]
    assert letters == [letter for letter in text if letter in "ab"]


@pytest.mark.parametrize("weight", ["inf", "-inf", "nan", "1e999"])
def test_a_weight_that_is_not_finite_is_refused(weight):
    with pytest.raises(ValueError, match=r"weight (inf|-inf|nan)"):
        parse(f"a (cat:{weight})")


def test_a_word_that_only_ends_like_an_embedding_is_text():
    assert ids("myembedding:style") == ids("myembedding : style")


# --- Token numbers --------------------------------------------------------------------------------


# Read off ComfyUI 0.33.0's own tokenizer.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a photo of a cat", [320, 1125, 539, 320, 2368]),
        ("A Photo, of\n\n  a  CAT!", [320, 1125, 267, 539, 320, 2368, 256]),
        ("don't you'll", [847, 713, 592, 1342]),
        ("naïve Ünï", [1097, 35689, 563, 6522, 77, 127, 363]),
        ("一只猫 🐱", [19759, 222, 34517, 103, 163, 234, 360, 22979]),
        ("1024x768 3.14", [272, 271, 273, 275, 343, 278, 277, 279, 274, 269, 272, 275]),
        ("e\u0301", [4166]),
        ("<|endoftext|>x", [END, 343]),
    ],
)
def test_token_numbers(text, expected):
    assert ids(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a professional photograph of an astronaut riding a horse, 35mm, f/1.8 -- highly detailed",
        "It's the photographers' favourite; they've said so!",
        "Ein Fachwerkhaus in Rothenburg ob der Tauber bei Nacht",
        "東京タワーの夜景, ночной город, مدينة",
    ],
)
def test_token_numbers_are_those_of_open_clips_own_tokenizer(text):
    assert ids(text) == SimpleTokenizer().encode(text)


def test_a_missing_package_is_named_with_the_extra_that_brings_it():
    with pytest.raises(ModuleNotFoundError, match=r"no_such_package.*sd2-depth2img\[engine\]"):
        prompt.engine_package("no_such_package")


# --- Chunks ---------------------------------------------------------------------------------------


def test_75_tokens_fit_one_chunk_and_76_take_two():
    assert [len(body) for body in bodies(tokenize("cat " * 75))] == [75]
    assert [len(body) for body in bodies(tokenize("cat " * 76))] == [75, 1]


def test_a_short_piece_is_not_broken_but_starts_the_next_chunk():
    chunks = bodies(tokenize("cat " * 70 + "(one two three four five six seven:1.2)"))
    assert [len(body) for body in chunks] == [70, 7]
    assert {weight for _, weight in chunks[1]} == {1.2}


def test_a_piece_of_eight_tokens_is_broken():
    chunks = bodies(tokenize("cat " * 70 + "(one two three four five six seven eight:1.2)"))
    assert [len(body) for body in chunks] == [75, 3]
    assert [weight for _, weight in chunks[0]] == [1.0] * 70 + [1.2] * 5


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 200), st.sampled_from([0.5, 1.0, 1.3])), min_size=1, max_size=8
    )
)
def test_chunks_lose_no_token_and_no_weight(pieces):
    text = " ".join(f"({'cat ' * count}:{weight})" for count, weight in pieces)
    laid_out = bodies(tokenize(text))
    (cat,) = ids("cat")
    expected = [(cat, weight) for count, weight in pieces for _ in range(count)]
    assert [token for body in laid_out for token in body] == expected
    assert all(len(body) <= BODY for body in laid_out)


# --- Contexts -------------------------------------------------------------------------------------


def tower(tokens, vectors):
    """A text tower of known values: channel 0 is the token, channel 1 the place."""
    places = torch.arange(CHUNK).expand_as(tokens)
    return torch.stack([tokens, places], dim=-1).float()


def test_chunks_lie_side_by_side():
    chunks = tokenize("cat " * 76)
    context = encode(chunks, tower)
    assert context.shape == (1, 2 * CHUNK, 2)
    assert context[0, :, 0].tolist() == [token for chunk in chunks for token, _ in chunk]
    assert context[0, :, 1].tolist() == [*range(CHUNK), *range(CHUNK)]


def test_a_weight_moves_a_token_away_from_the_empty_prompt():
    context = encode(tokenize("a (cat:1.5)"), tower)[0, :, 0]
    # The empty prompt is start, end, padding: at place 2, where the cat stands, it has token 0.
    assert context[:4].tolist() == [START, 320, 1.5 * 2368, END]
    # At place 1 it has the end token.
    context = encode(tokenize("(cat:0.5) a"), tower)[0, :, 0]
    assert context[1].item() == (2368 - END) * 0.5 + END


def test_the_empty_prompt_is_not_part_of_the_result():
    assert encode(tokenize("(cat:1.5)"), tower).shape == (1, CHUNK, 2)


def test_a_weight_of_zero_is_the_empty_prompt_at_that_place():
    context = encode(tokenize("(cat:0)"), tower)
    empty = encode(tokenize(""), tower)
    assert context[0, 1].tolist() == empty[0, 1].tolist()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(" * 200 + "a" + ")" * 200, "brackets more than 100 deep"),
        ("(" * 50_000 + "a)", "chunks of 75 tokens; 100 can be used"),
        ("a:" * 50_000, "chunks of 75 tokens; 100 can be used"),
        (")(a" * 30_000, "chunks of 75 tokens; 100 can be used"),
    ],
)
def test_texts_without_measure_are_refused_soon(text, said):
    start = time.process_time()
    with pytest.raises(ValueError, match=said):
        tokenize(text)
    assert time.process_time() - start < 5


def test_a_hundred_brackets_are_resolved():
    ((text, weight),) = parse("(" * 100 + "a" + ")" * 100)
    assert text == "a"
    assert weight == pytest.approx(1.1**100)
