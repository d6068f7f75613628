"""What the nodes have in common: V1's attributes, how they run and work through a batch."""

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor

from ..depth.convention import from_image, repair, unit_range
from ..host import host
from ..host.warning_texts import collected
from ..images.batch import check_shares, gather
from ..images.masks import fit_images
from .inputs import check_limits
from .remedies import for_people
from .thumbnails import thumbnails


class Node:
    """A V1 node: attributes as ComfyUI asks for them, INPUT_TYPES and `execute`.

    Hosts call `run`: `execute` with its numbers checked, errors that say what to do, and what the
    canvas shows of it: warnings, and a preview of the output `depth`.
    """

    DISPLAY_NAME: ClassVar[str]
    CATEGORY: ClassVar[str]
    DESCRIPTION: ClassVar[str]
    SEARCH_ALIASES: ClassVar[list[str]]
    RETURN_TYPES: tuple[str, ...]
    RETURN_NAMES: tuple[str, ...]  # those of the types without it
    FUNCTION = "run"
    execute: Callable[..., Any]

    def run(self, **inputs: Any) -> Any:
        """The outputs, or ComfyUI's `{"ui": …, "result": outputs}` where there is more to show."""
        with collected() as warnings:
            try:
                check_limits(self, inputs)
                given = self.execute(**inputs)
            except Exception as error:
                if (said := for_people(error, self, inputs)) is error:
                    raise
                raise said from None
            shown = self._shown_depth(given)
        return _with_shown(given, shown, warnings.texts)

    def _shown_depth(self, given: Any) -> dict[str, Any]:
        names = getattr(self, "RETURN_NAMES", ())
        if "depth" not in names:
            return {}
        outputs = given["result"] if isinstance(given, dict) else given
        images = thumbnails(outputs[names.index("depth")])
        return {"images": images} if images else {}


def _with_shown(given: Any, shown: dict[str, Any], warnings: list[str]) -> Any:
    """What `execute` gave, with more to show.

    Warnings have a place beside anything else that is shown, even if there are none: for an input
    with several values ComfyUI puts together what is shown under the first one's names.
    """
    parts = given if isinstance(given, dict) else {"ui": {}, "result": given}
    shown = {**parts["ui"], **shown}
    if not (shown or warnings):
        return given
    return {**parts, "ui": {**shown, "warnings": warnings}}


class DepthMapNode(Node):
    """A node that gives a depth map."""

    CATEGORY = "SD2 Depth/depth map"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("depth",)


def depth_maps(depth: Tensor) -> Tensor:
    """IMAGE to depth maps `[B, H, W]` in 0..1, without holes."""
    return unit_range(repair(from_image(depth)))  # BHWC -> BHW


def fitting_mask(mask: Tensor | None, image: Tensor) -> Tensor | None:
    """A mask at the size of the image it belongs to; None where there is none."""
    return None if mask is None else fit_images(mask, image)


def one_by_one(description: str, edit: Callable[..., Tensor], **batches: Tensor | None) -> Tensor:
    """Edit a batch entry by entry under the host's progress bar, where the user can cancel.

    Args:
        description: of the progress bar.
        edit: takes one entry of each batch, `[1, …]`, by name, or None for a batch that is not
            there; returns `[1, …]`, of the same shape every time.
        batches: the first sets the count; a shorter one is repeated as a whole.

    Returns: the results as a batch. Memory beside it is that of one edit.
    """
    (first, batch), *others = ((n, t) for n, t in batches.items() if t is not None)
    for name, other in others:
        check_shares(len(other), f"entries of {name}", len(batch), f"entries of {first}")

    def entry(index: int) -> dict[str, Tensor | None]:
        return {
            name: None if t is None else t[index % len(t)].unsqueeze(0).contiguous()
            for name, t in batches.items()
        }

    indices = host.progress(range(len(batch)), description)
    return gather((edit(**entry(index)) for index in indices), len(batch))
