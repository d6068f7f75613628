"""Why a weight file or a folder is not taken for a depth checkpoint."""

from .identify.diagnosis import Diagnosis


class NotADepthCheckpoint(ValueError):  # noqa: N818 - these name what the file is
    """The file is something else; the message says what, and what is needed."""


class OtherModel(NotADepthCheckpoint):
    """A model of another kind, which `diagnosis` tells."""

    def __init__(self, message: str, diagnosis: Diagnosis) -> None:
        super().__init__(message)
        self.diagnosis = diagnosis


class IncompleteCheckpoint(ValueError):  # noqa: N818
    """A depth checkpoint with tensors missing or of the wrong shape."""


class IncompleteMidas(IncompleteCheckpoint):
    """Tensors of the depth network are missing, which a checkpoint can do without."""


class NoEMACopy(IncompleteCheckpoint):
    """There is no complete EMA copy of the UNet."""
