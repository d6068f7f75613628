"""Conditioning for the embedded engine: which prompt holds where in the latent, and when.

An entry of a CONDITIONING may hold only in an area, under a mask or for a part of the steps. Here
it becomes a `Prompt`, fitted to one latent.
"""

import functools
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..sampling.depth_channel import Conditioning, DepthCondition
from ..sampling.latents import fit_mask, to_batch
from .controlnet import Control
from .required_depth import required_depth
from .samplers import sigma_at_percent

log = logging.getLogger(__name__)


class Area(NamedTuple):
    """A rectangle of a latent, in latent pixels."""

    height: int
    width: int
    y: int
    x: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def contains(self, other: "Area") -> bool:
        """Whether the other lies inside of this."""
        return (
            self.y <= other.y
            and self.x <= other.x
            and self.y + self.height >= other.y + other.height
            and self.x + self.width >= other.x + other.width
        )

    def within(self, height: int, width: int) -> "Area":
        """Cut off at the edges of a latent of this size."""
        return self._replace(
            height=min(self.height, height - self.y), width=min(self.width, width - self.x)
        )

    def of(self, t: Tensor) -> Tensor:
        """A view of this part of t [..., h, w]."""
        return t[..., self.y : self.y + self.height, self.x : self.x + self.width]


@dataclass(frozen=True, eq=False)
class Prompt:
    """One conditioning entry, fitted to a latent [B, C, h, w]."""

    context: Tensor  # [B, tokens, width]
    depth: Tensor  # [B, 1, h, w] for the whole latent
    area: Area | None  # as asked for; None: everywhere
    box: Area  # the part of it that lies in the latent
    weight: Tensor  # [1 or B, 1, box height, box width]
    start: float  # it holds from this noise level ...
    end: float  # ... down to this one
    control: Control | None = None
    controls_both_sides: bool = False  # the negative prompt gets a copy of the control


def fitted_prompts(
    positive: Conditioning, negative: Conditioning, x: Tensor
) -> tuple[list[Prompt], list[Prompt]]:
    """The positive and the negative prompts for the latent x [B, C, h, w].

    Where one side has a prompt with an area, the other gets a copy of its own prompt for that
    area, so that guidance compares two predictions for the same piece.
    """
    batch, _, height, width = x.shape

    @functools.cache  # entries usually carry the same depth map
    def channel(condition: DepthCondition) -> Tensor:
        return condition.channel(batch, height, width).to(x.device)

    ours = [_fitted(context, values, "positive", x, channel) for context, values in positive]
    theirs = [_fitted(context, values, "negative", x, channel) for context, values in negative]
    widths = {prompt.context.shape[2] for prompt in ours + theirs}
    if len(widths) > 1:
        raise ValueError(
            f"the prompts are {' and '.join(map(str, sorted(widths)))} numbers wide; encode all "
            "of them with the CLIP of this checkpoint"
        )
    theirs = _with_counterparts(theirs, ours)
    ours = _with_counterparts(ours, theirs)
    return ours, _with_controls(theirs, ours)


def _with_counterparts(prompts: list[Prompt], opposite: list[Prompt]) -> list[Prompt]:
    """`prompts`, and for each area on the opposite side a copy of the narrowest that covers it."""
    result = list(prompts)
    for other in opposite:
        if other.area is None:
            continue
        covering = [p for p in result if p.area is None or p.area.contains(other.area)]
        if not covering:
            continue
        narrowest = min(covering, key=lambda p: math.prod(p.area.size) if p.area else math.inf)
        if narrowest.area != other.area:
            result.append(replace(other, context=narrowest.context, depth=narrowest.depth))
    return result


def _with_controls(negatives: list[Prompt], positives: list[Prompt]) -> list[Prompt]:
    """The negative prompts, controlled as the positive ones where these say so.

    It is for prompts without an area, and only where no negative one is controlled by itself.
    """
    controls = [p.control for p in positives if p.controls_both_sides and p.area is None]
    places = [place for place, prompt in enumerate(negatives) if prompt.area is None]
    if not places or any(negatives[place].control for place in places):
        return negatives
    result = list(negatives)
    for number, control in enumerate(controls):
        place = places[number % len(places)]
        result[place] = replace(negatives[place], control=control)
    return result


def _fitted(
    context: Tensor,
    values: Mapping[str, Any],
    which: str,
    x: Tensor,
    channel: Callable[[DepthCondition], Tensor],
) -> Prompt:
    batch, _, height, width = x.shape
    mask = values.get("mask")
    if mask is not None:
        mask = fit_mask(mask, 1 if mask.ndim == 2 else len(mask), height, width).to(x.device)
    asked = _area(values, mask, height, width)
    area = asked or Area(height, width, 0, 0)
    box = area.within(height, width)
    if min(box) < 0 or 0 in box.size:
        raise ValueError(
            f"the {which} conditioning has an area of {area.height} x {area.width} at y {area.y}, "
            f"x {area.x} (in latent pixels), outside of the latent of {height} x {width}; move it "
            "inside, or give it as a percentage"
        )
    if mask is None:
        weight = _feathered(box, height, width).to(x.device)
    else:
        weight = box.of(to_batch(mask, batch)) * values.get("mask_strength", 1.0)
    return Prompt(
        context=to_batch(context.to(x.device), batch),
        depth=channel(required_depth(values, which)),
        area=asked,
        box=box,
        weight=weight * values.get("strength", 1.0),
        start=sigma_at_percent(values.get("start_percent", 0.0)),
        end=sigma_at_percent(values.get("end_percent", 1.0)),
        control=values.get("control"),
        controls_both_sides=values.get("control_apply_to_uncond", False),
    )


def _area(values: Mapping[str, Any], mask: Tensor | None, height: int, width: int) -> Area | None:
    """The area that an entry asks for; its mask [F, 1, h, w] may set it."""
    if mask is not None and values.get("set_area_to_bounds", False):
        return _bounds(mask)
    area = values.get("area")
    if area is None:
        return None
    if area[0] == "percentage":
        rows, columns, y, x = area[1:]
        return Area(
            max(1, round(rows * height)),
            max(1, round(columns * width)),
            round(y * height),
            round(x * width),
        )
    area = Area(*area)
    if area.within(height, width) != area:
        log.warning("%s reaches beyond the latent of %d x %d", area, height, width)
    return area


def _bounds(mask: Tensor) -> Area:
    """The box around everything a mask [F, 1, h, w] covers, at least 8 x 8."""
    covered = (mask != 0).any(dim=0)[0]
    rows, columns = covered.any(dim=1).nonzero(), covered.any(dim=0).nonzero()
    if len(rows) == 0:
        return Area(8, 8, 0, 0)
    top, left = int(rows[0]), int(columns[0])
    return Area(max(8, int(rows[-1]) - top + 1), max(8, int(columns[-1]) - left + 1), top, left)


def _feathered(box: Area, height: int, width: int) -> Tensor:
    """Weights [1, 1, box height, box width]: 1, falling off toward edges inside the latent."""
    rows = _ramps(box.height, box.y > 0, box.y + box.height < height)
    columns = _ramps(box.width, box.x > 0, box.x + box.width < width)
    return (rows[:, None] * columns)[None, None]


def _ramps(length: int, rises: bool, falls: bool) -> Tensor:
    """Ones with a ramp of 8 latent pixels, or a quarter of a shorter length, at either end."""
    ramps = torch.ones(length)
    edge = min(8, length // 4)
    ramp = torch.arange(1, edge + 1) / edge
    if rises:
        ramps[:edge] *= ramp
    if falls:
        ramps[length - edge :] *= ramp.flip(0)
    return ramps
