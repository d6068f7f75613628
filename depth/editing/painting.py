"""Edits put onto depth maps, in float32 after every one of them, from their state alone."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ...images.batch import gather
from ...images.crop import resize_image
from ...images.lettering import letters_without_form
from ...images.sizes import same_aspect
from .averages import REACH, feathered, following_edges
from .effects import EFFECTS, Scene, between, gradient_depths, stamped
from .floods import flood_area
from .ground import Area, Ground
from .polygons import polygon_area
from .references import brightness_steps
from .stamps import letters, stamp_area
from .state import (
    AnyEdit,
    AreaEdit,
    Does,
    Flood,
    Gradient,
    Layer,
    Polygon,
    Stamp,
    State,
    Stroke,
)
from .strokes import stroke_area
from .work import check_work

log = logging.getLogger(__name__)

Each = Callable[[Sequence[int]], Iterator[int]]


def paint(
    depth: Tensor, state: State, image: Tensor | None = None, each: Each = iter
) -> tuple[Tensor, Tensor]:
    """Maps `[B, H, W]` in 0..1 with the edits in them, and how much each pixel was touched.

    Both are `[B, H, W]` in 0..1; what no edit touches keeps its bits.

    Args:
        image: `[N, h, w, 3]` that the maps show, N a divisor of B, for edits that keep to edges.
        each: wraps the numbers of all edits, of all maps: to show progress, and to stop.
    """
    check_work(state, *depth.shape[1:])
    _warn(depth, state, image)
    layers = [[one for one in state.layers if one.counts_for(i)] for i in range(len(depth))]
    turns = each(range(sum(len(layer.edits) for chosen in layers for layer in chosen)))
    guides = _Guides(image, *depth.shape[1:])

    def painted() -> Iterator[Tensor]:
        for frame, (one, chosen) in enumerate(zip(depth, layers, strict=True)):
            guide = guides.of(frame) if _has_use_for_guide(chosen) else None
            base = one.detach().cpu().float().contiguous().numpy()
            ground = Ground(base, guide, state.size)
            yield torch.from_numpy(np.stack(_painted(ground, chosen, turns)))[None]
        next(turns, None)  # so that `each` sees the end

    result, touched = gather(painted(), len(depth)).to(depth.device).unbind(1)
    return result, touched


class _Guides:
    """The brightness of images at the maps' size, the last one kept."""

    def __init__(self, image: Tensor | None, height: int, width: int) -> None:
        self._image, self._size = image, (height, width)
        self._last: tuple[int, np.ndarray] | None = None

    def of(self, frame: int) -> np.ndarray | None:
        if self._image is None:
            return None
        index = frame % len(self._image)
        if self._last is None or self._last[0] != index:
            image = resize_image(self._image[index : index + 1], *self._size)
            self._last = index, brightness_steps(image[0])
        return self._last[1]


def _painted(
    ground: Ground, layers: list[Layer], turns: Iterable[int]
) -> tuple[np.ndarray, np.ndarray]:
    depth, touched = ground.base.copy(), np.zeros_like(ground.base)
    for layer in layers:
        before = depth.copy() if layer.opacity < 1 else depth
        own = np.zeros_like(depth)
        # Not strict: the turns of the layers and maps after this one are left.
        for edit, _ in zip(layer.edits, turns, strict=False):
            _apply(edit, Scene(ground, depth), own)
        if layer.opacity < 1:
            mixed = before + layer.opacity * (depth.astype(np.float64) - before)
            depth = np.where(depth == before, before, mixed).astype(np.float32)
        np.maximum(touched, layer.opacity * own, out=touched)
    return depth, touched


def _apply(edit: AnyEdit, scene: Scene, touched: np.ndarray) -> None:
    """Change the scene's depth, and what counts as touched."""
    if isinstance(edit, Stamp):
        stamp = stamp_area(edit, scene.ground)
        if stamp is not None:
            _store(stamped(edit, *stamp, scene), stamp[0], scene)
            _touch(stamp[0], 1.0, touched)
        return
    area = _limited(edit, scene)
    if area is None or not area.weights.any():
        return
    if isinstance(edit, Gradient):
        _store(gradient_depths(edit, area, scene), area, scene)
        _touch(area, edit.amount, touched)
        return
    _store(EFFECTS[edit.does](edit, area, scene), area, scene)
    if edit.does is Does.ERASE:
        touched[area.box.slices] *= 1 - area.weights * edit.amount
    else:
        _touch(area, 1.0 if edit.does in (Does.SCALE, Does.DELETE) else edit.amount, touched)


def _store(values: np.ndarray, area: Area, scene: Scene) -> None:
    part = scene.depth[area.box.slices]
    np.copyto(part, values.clip(0, 1), where=area.weights > 0, casting="same_kind")


def _touch(area: Area, amount: float, touched: np.ndarray) -> None:
    part = touched[area.box.slices]
    np.maximum(part, area.weights * amount, out=part, casting="same_kind")


def _limited(edit: AreaEdit, scene: Scene) -> Area | None:
    """Where an edit acts: kept to the photo's edges, and to a window of depths."""
    area = _area(edit, scene.ground)
    if area is None:
        return None
    if edit.edges:
        length = edit.radius if isinstance(edit, Stroke) else edit.feather or REACH
        area = following_edges(area, scene.ground, length)
    return area if edit.between is None else between(area, scene, edit.between)


def _area(edit: AreaEdit, ground: Ground) -> Area | None:
    if isinstance(edit, Stroke):
        return stroke_area(edit, ground)
    if isinstance(edit, Flood):
        return feathered(flood_area(edit, ground), ground, ground.pixels(edit.feather))
    if isinstance(edit, (Polygon, Gradient)) and edit.points is not None:
        outline = polygon_area(edit.points, ground)
        return feathered(outline, ground, ground.pixels(edit.feather))
    return Area(ground.frame, np.ones_like(ground.base, np.float64))


def _has_use_for_guide(layers: list[Layer]) -> bool:
    edits = [edit for layer in layers for edit in layer.edits]
    return any(isinstance(edit, Flood) or getattr(edit, "edges", False) for edit in edits)


# --- Warnings -------------------------------------------------------------------------------------


def _warn(depth: Tensor, state: State, image: Tensor | None) -> None:
    edits = [edit for layer in state.layers if layer.visible for edit in layer.edits]
    if edits:
        _warn_of_size(state.size, *depth.shape[1:])
    _warn_of_frames(state.layers, len(depth))
    _warn_of_texts(edit.text or "" for edit in edits if isinstance(edit, Stamp) and edit.is_text)
    following = sum(getattr(edit, "edges", False) for edit in edits)
    if image is None and following:
        log.warning(
            "%d of %d edits keep to the photo's edges, but there is no photo: they are done "
            "without",
            *(following, len(edits)),
        )


def _warn_of_texts(texts: Iterable[str]) -> None:
    for text in dict.fromkeys(texts):
        if letters(text) is None:
            log.warning("a stamp has no letters that can be seen (%r): it changes nothing", text)
        elif formless := letters_without_form(text):
            log.warning("the font has no %s, of the stamp %r: boxes stand for them", formless, text)


def _warn_of_size(size: tuple[float, float], height: int, width: int) -> None:
    if (width / size[0], height / size[1]) == (1, 1):
        return
    sizes = (*size, width, height)
    if same_aspect(size, (width, height)):
        log.warning(
            "the edits were drawn on a map of %g x %g pixels, this one has %d x %d: they are "
            "scaled with it",
            *sizes,
        )
    else:
        log.warning(
            "the edits were drawn on a map of %g x %g pixels, this one has %d x %d, which is "
            "another shape: their places are stretched with it, their strokes are not, so look "
            "whether they still lie where they should",
            *sizes,
        )


def _warn_of_frames(layers: list[Layer], count: int) -> None:
    for layer in layers:
        if not (layer.visible and layer.frames and layer.edits):
            continue
        first, last = layer.frames
        if first > min(last, count - 1):
            log.warning(
                "the layer %r is for frames %.9g to %.9g, counted from 0, and there are %d: it "
                "changes nothing",
                *(layer.name, first, last, count),
            )
