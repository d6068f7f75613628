"""What stops a batch before it runs, or as a whole."""


class UnusableInput(ValueError):  # noqa: N818 - names what is wrong
    """What is to be done, or where its results should go, cannot be used; nothing was run."""


class NobodyWorks(RuntimeError):  # noqa: N818 - names what is wrong
    """All that could do the work have stopped; what is finished stays, and a rerun goes on."""
