"""What is said to a Python program: warnings by `warnings`, errors with what to do about them.

Below, warnings are written to the log and errors are in the terms of whoever raises them; here they
get those of the arguments of `DepthToImage`.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor

from ..checkpoints.errors import IncompleteMidas, OtherModel
from ..checkpoints.identify.diagnosis import Part
from ..depth.convention import OutOfRange
from ..disk.sentences import plain
from ..host.warning_texts import collected
from ..images.fill import OneHole
from ..images.masks import OtherShape
from ..nodes import remedies
from ..sampling.steps import OnStep

_ANOTHER = "Give another copy of the model; `depth2img inspect` says what a file has inside."

# What to do where a checkpoint lacks a part.
ABSENT_PARTS: Mapping[Part, str] = {
    Part.VAE: _ANOTHER,
    Part.TEXT: _ANOTHER,
    Part.MIDAS: "Give a depth map of your own as `depth`, or another copy of the model: they are "
    "often made without it.",
}

_REMEDIES: remedies.Remedies = {
    **remedies.REMEDIES,
    OtherModel: "DepthToImage needs a copy of 512-depth-ema or a fine-tune of it; `depth2img "
    "convert --fine-tune` gives depth to other fine-tunes of Stable Diffusion 2.",
    IncompleteMidas: "Give a depth map of your own as `depth`, or another copy of the model.",
    OutOfRange: "Disparity of any range: (d - d.min()) / (d.max() - d.min()). Distances, whose far "
    "values are large: the same of 1 / d.",
    OtherShape: "Give a mask of the size of the image.",
    OneHole: "Give a smaller mask, or another `content`.",
}


class Cancelled(Exception):  # noqa: N818 - nothing went wrong
    """The callback has returned False."""


@contextmanager
def spoken() -> Iterator[None]:
    """Around a method's work, in its own body: warnings point to the line that has called it."""
    with collected(quiet=True) as found:
        try:
            yield
        except Exception as error:
            if getattr(error, _FROM_CALLBACK, False):
                raise
            is_known = isinstance(error, (OSError, *_REMEDIES))
            said = remedies.explanation(error, _REMEDIES) if is_known else str(error)
            if said == str(error):
                raise
            raise plain(error)(said).with_traceback(error.__traceback__) from None
        finally:
            for text in found.texts:
                warnings.warn(text, stacklevel=4)  # this, contextlib, the method, its caller


_FROM_CALLBACK = "_sd2_depth2img_from_callback"


def obeyed(callback: OnStep) -> OnStep:
    """The same, cancelling on False; what it raises leaves as it is."""

    def on_step(step: int, steps: int, latent: Tensor) -> None:
        try:
            if callback(step, steps, latent) is False:
                raise Cancelled(f"the callback has returned False at step {step} of {steps}")
        except Exception as error:
            setattr(error, _FROM_CALLBACK, True)
            raise

    return on_step
