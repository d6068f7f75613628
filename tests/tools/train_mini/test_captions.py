"""Captions say the truth, in words that the text tower learns."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sd2_depth2img.engine import prompt
from sd2_depth2img.tools.train_mini.captions import (
    FILLERS,
    caption,
    random_caption,
    vocabulary,
)
from sd2_depth2img.tools.train_mini.scenes import NOUNS
from sd2_depth2img.tools.train_mini.shader import (
    LIGHTS,
    MATERIALS,
    PALETTE,
    Appearance,
    random_appearance,
)

MEANINGFUL = {*PALETTE, *MATERIALS, *LIGHTS, *NOUNS}

seeds = st.integers(0, 2**32)


def words(text):
    return re.findall(r"[a-z]+|,", text)


def material(seed):
    """A noun, an appearance, and a random caption of them."""
    random = np.random.default_rng(seed)
    noun, look = str(random.choice(NOUNS)), random_appearance(random)
    return noun, look, random_caption(random, noun, look)


@pytest.mark.parametrize(
    ("noun", "values", "text"),
    [
        (
            "vase",
            {"foreground": "red", "background": "blue", "material": "clay", "light": "left"},
            "a red clay vase on a blue background, light from the left",
        ),
        (
            "astronaut",
            {
                "foreground": "orange",
                "background": "grey",
                "material": "ink",
                "light": "right",
                "fog": True,
            },
            "an orange ink astronaut on a grey background, light from the right, in fog",
        ),
        (
            "thing",
            {"foreground": "pink", "background": "orange", "material": "neon", "light": "left"},
            "a pink neon thing on an orange background, light from the left",
        ),
    ],
)
def test_the_whole_caption(noun, values, text):
    assert caption(noun, Appearance(**values)) == text


@given(seed=seeds)
def test_a_random_caption_names_only_what_is_there(seed):
    noun, look, text = material(seed)
    truth = {noun, look.foreground, look.background, look.material, look.light}
    assert set(words(text)) & MEANINGFUL <= truth
    assert ("in fog" in text) == look.fog


@given(seed=seeds)
def test_a_random_caption_puts_each_word_in_its_place(seed):
    noun, look, text = material(seed)
    ground = re.findall(r"on an? (\w+) background", text)
    assert ground in ([], [look.background])
    assert re.findall(r"light from the (\w+)", text) in ([], [look.light])
    thing = r" ".join(f"({word} )?" for word in (look.foreground, look.material)).replace(" (", "(")
    assert re.search(rf"(^|, |of )an? {thing}({noun}|thing)\b", text)


@given(seed=seeds)
def test_articles_fit_the_words_after_them(seed):
    for article, initial in re.findall(r"\b(an?) (\w)", material(seed)[2]):
        assert article == ("an" if initial in "aeiou" else "a")


def test_how_often_things_are_left_out():
    drawn = [material(seed) for seed in range(1000)]

    def share(said):
        return np.mean([said(*one) for one in drawn])

    assert share(lambda noun, look, text: noun in words(text)) == pytest.approx(0.9, abs=0.03)
    for field in ("foreground", "background", "material"):
        named = share(lambda noun, look, text, field=field: getattr(look, field) in words(text))
        assert named == pytest.approx(0.92, abs=0.03)
    assert share(lambda noun, look, text: "light" in text) == pytest.approx(0.8, abs=0.04)
    assert share(lambda noun, look, text: any(f in text for f in FILLERS)) == pytest.approx(
        0.3, abs=0.04
    )
    reversed_order = share(
        lambda noun, look, text: bool(re.search("on an? .* background, a", text))
    )
    assert reversed_order == pytest.approx(0.15 * 0.92, abs=0.03)
    filler = re.compile(f"(an? )?({'|'.join(FILLERS)})\\b")
    opened = share(lambda noun, look, text: bool(filler.match(text)))
    assert opened == pytest.approx(0.3 * (1 / 2 + 2 / 3 + 3 / 4) / 3, abs=0.04)


# --- Vocabulary -----------------------------------------------------------------------------------


@given(seed=seeds)
def test_the_vocabulary_holds_every_word_but_the_fillers(seed):
    text = material(seed)[2]
    for filler in sorted(FILLERS, key=len, reverse=True):
        text = text.replace(filler, "")
    joins_fillers = {"of"}
    assert set(words(text)) <= {*vocabulary(), *joins_fillers}


def test_fillers_mean_nothing():
    grammar = {"a", "in", "the"}
    said = {word for filler in FILLERS for word in words(filler)}
    assert said & set(vocabulary()) == grammar


@pytest.mark.parametrize("word", vocabulary())
def test_a_word_is_one_token_of_its_own(word):
    """A word in pieces would teach its pieces, which other words are made of."""
    (tokens,) = prompt.tokenize(word)
    numbers = [token for token, _ in tokens if token not in (prompt.START, prompt.END, prompt.PAD)]
    assert len(numbers) == 1
