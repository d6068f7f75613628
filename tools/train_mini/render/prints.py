"""Flat pictures: posters, paintings, flags, labels, pages. What they show has no depth."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from .dice import Dice

Pixels = np.ndarray  # float [height, width, 3], sRGB in 0..1
Ink = tuple[int, int, int]

LETTERS = "ABCDEFGHIJKLMNOPRSTUVWZabcdeghilmnoprstu0123456789"


def picture(dice: Dice, width: int = 96, height: int = 96) -> Pixels:
    """A poster, painting or photograph for a wall."""
    image = dice.choice((_landscape, _portrait, _abstract, _abstract, _page))(dice, width, height)
    if dice.chance(0.3):
        image = image.filter(ImageFilter.GaussianBlur(dice.uniform(0.5, 2)))
    if dice.chance(0.4):
        frame = ImageDraw.Draw(image)
        frame.rectangle((0, 0, width - 1, height - 1), outline=_ink(dice), width=dice.randint(2, 9))
    return _pixels(image)


def flag(dice: Dice, width: int = 120, height: int = 72) -> Pixels:
    """Stripes, bars, a canton with stars, a cross or a disc."""
    image = Image.new("RGB", (width, height), _strong(dice))
    draw = ImageDraw.Draw(image)
    inks = [_strong(dice) for _ in range(3)]
    kind = dice.choice(("stripes", "stripes", "bars", "cross", "disc"))
    if kind == "stripes":
        count = dice.choice((3, 5, 7, 9, 13))
        for index in range(count):
            top = index * height / count
            draw.rectangle((0, top, width, top + height / count), fill=inks[index % 2])
        if dice.chance(0.7):
            draw.rectangle((0, 0, width * 0.42, height * 0.54), fill=inks[2])
            rows, columns = dice.randint(2, 6), dice.randint(2, 7)
            for row in range(rows):
                for column in range(columns):
                    x = (column + 0.5) * width * 0.42 / columns
                    y = (row + 0.5) * height * 0.54 / rows
                    draw.regular_polygon((x, y, 2.5), 5, fill=(245, 245, 245))
    elif kind == "bars":
        for index, ink in enumerate(inks):
            draw.rectangle((index * width / 3, 0, (index + 1) * width / 3, height), fill=ink)
    elif kind == "cross":
        draw.rectangle((width * 0.32, 0, width * 0.46, height), fill=inks[0])
        draw.rectangle((0, height * 0.4, width, height * 0.6), fill=inks[0])
    else:
        radius = height * dice.uniform(0.2, 0.4)
        draw.ellipse(_around(width / 2, height / 2, radius), fill=inks[0])
    return _pixels(image)


def label(dice: Dice, width: int = 96, height: int = 48) -> Pixels:
    """Words on a ground: a bottle's label, a book's back, a sign, a patch."""
    image = Image.new("RGB", (width, height), dice.choice((_strong, _pale))(dice))
    draw = ImageDraw.Draw(image)
    for _ in range(dice.randint(0, 3)):
        top = dice.uniform(0, height)
        draw.rectangle((0, top, width, top + dice.uniform(1, 9)), fill=_ink(dice))
    for _ in range(dice.randint(1, 3)):
        size = dice.uniform(0.2, 0.6) * height
        _write(dice, draw, (dice.uniform(-4, width * 0.3), dice.uniform(0, height - size)), size)
    return _pixels(image)


def _landscape(dice: Dice, width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height), _pale(dice))
    draw = ImageDraw.Draw(image)
    for layer in range(dice.randint(2, 5)):
        level, waves = height * (0.4 + 0.15 * layer), dice.uniform(1, 4)
        phase, tall = dice.uniform(0, 6), dice.uniform(2, 14)
        line = [
            (x, level + tall * math.sin(phase + waves * x / width * 2 * math.pi))
            for x in range(0, width + 1, 4)
        ]
        draw.polygon([(0, height), *line, (width, height)], fill=_ink(dice))
    return image


def _portrait(dice: Dice, width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height), _ink(dice))
    draw = ImageDraw.Draw(image)
    x, radius = width * dice.uniform(0.4, 0.6), height * dice.uniform(0.15, 0.25)
    draw.ellipse((x - 2 * radius, height * 0.6, x + 2 * radius, height * 1.4), fill=_ink(dice))
    draw.ellipse(_around(x, height * 0.38, radius * 1.15), fill=_ink(dice))
    skin = dice.choice(((214, 170, 140), (160, 110, 80), (90, 60, 45)))
    draw.ellipse(_around(x, height * 0.42, radius), fill=skin)
    for side in (-1, 1):
        draw.ellipse(_around(x + side * radius * 0.35, height * 0.4, 2), fill=(20, 15, 15))
    return image


def _abstract(dice: Dice, width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height), dice.choice((_strong, _pale, _ink))(dice))
    draw = ImageDraw.Draw(image)
    for _ in range(dice.randint(2, 12)):
        x, y = dice.uniform(0, width), dice.uniform(0, height)
        size = dice.uniform(3, 40)
        if dice.chance(0.4):
            draw.ellipse(_around(x, y, size / 2), fill=_ink(dice))
        elif dice.chance(0.5):
            draw.rectangle((x, y, x + size, y + dice.uniform(3, 40)), fill=_strong(dice))
        else:
            end = (dice.uniform(0, width), dice.uniform(0, height))
            draw.line((x, y, *end), fill=_ink(dice), width=dice.randint(1, 8))
    return image


def _page(dice: Dice, width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height), _pale(dice))
    draw = ImageDraw.Draw(image)
    size, y = dice.uniform(7, 30), 4.0
    while y < height:
        _write(dice, draw, (dice.uniform(2, 8), y), size)
        y += size * 1.3
    return image


def _write(dice: Dice, draw: ImageDraw.ImageDraw, place: tuple[float, float], size: float) -> None:
    words = "".join(dice.choice(LETTERS + "   ") for _ in range(dice.randint(3, 18)))
    draw.text(place, words, fill=_ink(dice), font=ImageFont.load_default(max(6, size)))


def _around(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return x - radius, y - radius, x + radius, y + radius


def _strong(dice: Dice) -> Ink:
    inks = ((178, 34, 52), (30, 50, 110), (240, 240, 238), (20, 20, 22), (230, 180, 40))
    return dice.choice((*inks, (20, 110, 60), (210, 90, 30), (60, 130, 180)))


def _pale(dice: Dice) -> Ink:
    light = dice.randint(170, 245)
    return light, light - dice.randint(0, 25), light - dice.randint(0, 60)


def _ink(dice: Dice) -> Ink:
    return dice.randint(0, 230), dice.randint(0, 210), dice.randint(0, 200)


def _pixels(image: Image.Image) -> Pixels:
    return np.asarray(image, np.float32) / 255
