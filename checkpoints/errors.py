"""Why a weight file or a folder is not loaded as a depth checkpoint."""


class NotADepthCheckpoint(ValueError):  # noqa: N818 - names what the file is not
    """The file is something else; the message says what, and what is needed."""


class IncompleteCheckpoint(ValueError):  # noqa: N818 - names what the file is
    """A depth checkpoint with tensors missing or of the wrong shape."""
