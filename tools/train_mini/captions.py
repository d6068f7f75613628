"""Captions: what an image shows, in the words of a prompt."""

from dataclasses import replace

from numpy.random import Generator

from .scenes import NOUNS
from .shader import LIGHTS, MATERIALS, PALETTE, Appearance

# Words that say nothing about these images, so that the miniature learns to read past them.
FILLERS = (
    "photograph,beautiful,highly detailed,museum,old,masterpiece,studio,large,tiny,famous,soft,"
    "sculpture,wonderful,sharp,of a cat,of a horse,by the sea,digital art,realistic,in a garden"
).split(",")


def caption(noun: str, appearance: Appearance) -> str:
    """The whole caption: "a red clay vase on a blue background, light from the left"."""
    return _sentence(noun, appearance, fillers=[])


def random_caption(random: Generator, noun: str, appearance: Appearance) -> str:
    """A caption from which something may be left out, with words that mean nothing mixed in."""

    def kept(value: str, share: float) -> str:
        return value if random.random() < share else ""

    fillers: list[str] = []
    if random.random() < 0.3:
        fillers = [str(word) for word in random.choice(FILLERS, random.integers(1, 4))]
    leading = random.integers(len(fillers) + 1)
    noun = kept(noun, 0.9) or "thing"
    appearance = replace(
        appearance,
        foreground=kept(appearance.foreground, 0.92),
        material=kept(appearance.material, 0.92),
        background=kept(appearance.background, 0.92),
        light=kept(appearance.light, 0.8),
    )
    reversed_order = bool(random.random() < 0.15)
    sentence = _sentence(noun, appearance, fillers[leading:], reversed_order)
    return _opened(sentence, fillers[:leading], in_one=bool(random.random() < 0.5))


def vocabulary() -> list[str]:
    """Every word that means something in a caption."""
    grammar = ["a", "an", "on", "background", ",", "light", "from", "the", "in", "fog", "thing"]
    return [*PALETTE, *MATERIALS, *LIGHTS, *NOUNS, *grammar]


def _sentence(noun: str, look: Appearance, fillers: list[str], reversed_order: bool = False) -> str:
    """What of the appearance is "" is left out."""
    thing = " ".join(word for word in (look.foreground, look.material, noun) if word)
    parts = [_with_article(thing), *fillers[:1]]
    if look.background:
        ground = f"on {_with_article(look.background)} background"
        parts = [ground, *parts] if reversed_order else [*parts, ground]
    text = ", ".join(parts) if reversed_order else " ".join(parts)
    tail = [f"light from the {look.light}"] if look.light else []
    tail += ["in fog"] if look.fog else []
    return ", ".join([text, *tail, *fillers[1:]])


def _opened(sentence: str, fillers: list[str], in_one: bool) -> str:
    """The sentence after its first fillers: "a beautiful photograph of ..." or a list of them."""
    if not fillers:
        return sentence
    if in_one:
        return f"{_with_article(' '.join(fillers))} of {sentence}"
    return ", ".join([*fillers, sentence])


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
