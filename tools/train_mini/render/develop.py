"""From light to a photograph: exposure, white balance, film curve, lens and sensor."""

import numpy as np
from PIL import Image, ImageFilter

from .dice import Dice

Pixels = np.ndarray


def develop(dice: Dice, light: Pixels) -> Pixels:
    """An 8-bit photograph of linear light, float `[h, w, 3]`; sensor noise included."""
    arrays = dice.arrays()
    light = np.nan_to_num(light, nan=0, posinf=1e3).clip(0, 1e3)
    bright = light.max(-1)
    # Exposed as cameras do: by the middle of the image, without blowing out all of the lights.
    exposure = dice.log(0.2, 0.55) / max(1e-6, float(np.quantile(bright, 0.6)))
    exposure = min(exposure, dice.log(0.85, 2) / max(1e-6, float(np.quantile(bright, 0.97))))
    balance = _balance(dice, light)
    light = light * exposure * balance
    light = _vignette(dice, light)
    light = np.clip(
        light + arrays.normal(0, dice.log(0.001, 0.03), light.shape) * np.sqrt(light + 0.01),
        0,
        None,
    )
    return np.round(_film(dice, light) * 255).astype(np.uint8)


def _balance(dice: Dice, light: Pixels) -> Pixels:
    """Part of the way to grey, then a little off."""
    mean = light.reshape(-1, 3).mean(0) + 1e-6
    grey = (mean.mean() / mean) ** dice.uniform(0, 0.6)
    off = np.exp([dice.gauss(0, 0.05), 0, dice.gauss(0, 0.08)])
    return grey * off


def _vignette(dice: Dice, light: Pixels) -> Pixels:
    rows, columns = (np.linspace(-1, 1, n) for n in light.shape[:2])
    distance = rows[:, None] ** 2 + columns[None] ** 2
    return light * (1 - max(0, dice.gauss(0, 0.12)) * distance[..., None] / 2)


def _film(dice: Dice, light: Pixels) -> Pixels:
    """A curve with a soft shoulder, a toe, and a saturation of its own."""
    shoulder = dice.uniform(0.5, 0.9)
    high = shoulder + (1 - shoulder) * (1 - np.exp(-(light - shoulder) / (1 - shoulder)))
    light = np.where(light > shoulder, high, light)
    image = np.where(
        light < 0.0031308, 12.92 * light, 1.055 * light.clip(1e-6) ** (1 / 2.4) - 0.055
    )
    contrast = dice.uniform(0.85, 1.25)
    image = np.clip((image - 0.45) * contrast + 0.45, 0, 1)
    grey = image.mean(-1, keepdims=True)
    saturation = 0.0 if dice.chance(0.06) else dice.uniform(0.6, 1.2)
    image = np.clip(grey + (image - grey) * saturation, 0, 1)
    if dice.chance(0.2):
        soft = Image.fromarray(np.round(image * 255).astype(np.uint8))
        soft = soft.filter(ImageFilter.GaussianBlur(dice.uniform(0.3, 0.8)))
        image = np.asarray(soft, np.float32) / 255
    elif dice.chance(0.3):
        sharp = Image.fromarray(np.round(image * 255).astype(np.uint8))
        sharp = sharp.filter(ImageFilter.UnsharpMask(1, dice.randint(30, 120), 0))
        image = np.asarray(sharp, np.float32) / 255
    return image
