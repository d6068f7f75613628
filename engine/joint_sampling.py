"""Samples for several threads at once, so that their latents go through the UNet together.

Each thread runs a workflow of its own and calls `sample`. Within a `Joint` that call waits until
every thread of the group has come to one or has ended; what fits together is then sampled in
common, which keeps a GPU busy with images of any number of prompts, depth maps and seeds.
"""

import functools
import inspect
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any

import torch

from ..sampling.latents import Latent
from . import guidance
from .guidance import NoiseModel, Request
from .progress import stopped

log = logging.getLogger(__name__)

# Numbers that a call of SD2's UNet holds at its peak, per latent and in units of its width times
# the latent's pixels: 26 were counted by adding up what lives between its operations.
_HELD = 32


def latents_within(memory: int, model: NoiseModel, height: int, width: int) -> int:
    """How many latents of this size a call of the UNet may have within so many bytes, at least 1.

    With guidance an image takes two of them. Half precision takes half of the memory.
    """
    each = _HELD * model.model_channels * height * width * torch.float32.itemsize
    return max(1, memory // each)


Settings = dict[str, Any]  # of `guidance.sample`, those that a request does not have


class _Ticket:
    """A thread's call of `sample`, and later what came of it."""

    def __init__(
        self, thread: int, model: NoiseModel, request: Request, settings: Settings
    ) -> None:
        self.thread, self.model, self.request, self.settings = thread, model, request, settings
        shape = tuple(request.latent["samples"].shape)
        self.key = (id(model), shape, *settings.items())  # of those that fit together
        self.result: Latent | None = None
        self.error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self.result is not None or self.error is not None


class Joint:
    """A group of threads that sample together.

    `turn` is held by each of them while it works and released while it waits here. `sampling` has
    one thread, also for other groups: one of them samples at a time, and CUDA graphs belong to a
    thread. `memory` is what a call of the UNet may take in bytes, beside the weights.
    """

    def __init__(
        self,
        threads: int,
        turn: threading.Lock,
        sampling: Executor,
        memory: int | None = None,
    ) -> None:
        self.begun = threading.Event()  # the first sampling, or the end of every thread
        self.cancelled = threading.Event()
        self._threads, self._turn, self._sampling, self._memory = threads, turn, sampling, memory
        self._changed = threading.Condition()
        self._waiting: list[_Ticket] = []

    def sample(
        self, thread: int, model: NoiseModel, request: Request, settings: Settings
    ) -> Latent:
        """`guidance.sample`, together with the other threads' calls, in the threads' order."""
        ticket = _Ticket(thread, model, request, settings)
        self._turn.release()
        try:
            self._wait(ticket)
        finally:
            self._turn.acquire()
        if ticket.result is None:
            raise ticket.error or RuntimeError("sampling gave nothing")
        return ticket.result

    def leave(self) -> None:
        """Called by a thread that has ended: nobody waits for it any more."""
        with self._changed:
            self._threads -= 1
            if self._threads == 0:
                self.begun.set()
            self._changed.notify_all()

    def cancel(self) -> None:
        """Let every thread stop with KeyboardInterrupt, at its next step or call."""
        self.cancelled.set()
        with self._changed:
            self._changed.notify_all()

    def _wait(self, ticket: _Ticket) -> None:
        with self._changed:
            self._waiting.append(ticket)
            self._changed.notify_all()
            while not ticket.is_done:
                if self.cancelled.is_set():
                    raise KeyboardInterrupt
                if len(self._waiting) == self._threads and self._waiting[0] is ticket:
                    tickets, self._waiting = self._waiting, []
                    break
                self._changed.wait()
            else:
                return
        self.begun.set()
        self._sampling.submit(copy_context().run, self._sample_all, tickets).result()
        with self._changed:
            self._changed.notify_all()

    @torch.inference_mode()
    def _sample_all(self, tickets: Sequence[_Ticket]) -> None:
        for group in _alike(tickets):
            self._sample_group(group)

    def _sample_group(self, tickets: Sequence[_Ticket]) -> None:
        first, requests = tickets[0], [ticket.request for ticket in tickets]
        most = None
        if self._memory is not None:
            size = first.request.latent["samples"].shape[-2:]
            most = latents_within(self._memory, first.model, *size)
        try:
            results = guidance.sample_together(first.model, requests, most=most, **first.settings)
        except Exception as error:
            if len(tickets) == 1:
                first.error = error
                return
            log.info("sampling one by one, because together failed: %s", error)
            for ticket in tickets:  # so that one's error is not everyone's
                self._sample_group([ticket])
        except BaseException as error:
            for ticket in tickets:
                ticket.error = error
        else:
            for ticket, result in zip(tickets, results, strict=True):
                ticket.result = result


def _alike(tickets: Sequence[_Ticket]) -> list[list[_Ticket]]:
    """Those of the same model, shape and settings together."""
    groups: dict[tuple, list[_Ticket]] = {}
    for ticket in sorted(tickets, key=lambda ticket: ticket.thread):
        groups.setdefault(ticket.key, []).append(ticket)
    return list(groups.values())


_membership: ContextVar[tuple[Joint, int] | None] = ContextVar("membership", default=None)


@contextmanager
def member_of(joint: Joint, thread: int) -> Iterator[None]:
    """The block's calls of `sample` are the joint's; at its end, or by an error, it is left.

    `thread` is this one's number in the group.
    """
    token, stop = _membership.set((joint, thread)), stopped.set(joint.cancelled)
    try:
        yield
    finally:
        _membership.reset(token)
        stopped.reset(stop)
        joint.leave()


_SAMPLE = inspect.signature(guidance.sample)
_REQUEST = ("seed", "positive", "negative", "latent")


@functools.wraps(guidance.sample)
def sample(*args: Any, **kwargs: Any) -> Latent:
    """`guidance.sample`, within a Joint together with other threads."""
    membership = _membership.get()
    if membership is None:
        return guidance.sample(*args, **kwargs)
    given = _SAMPLE.bind(*args, **kwargs)
    given.apply_defaults()
    settings = dict(given.arguments)
    model = settings.pop("model")
    own = {name: settings.pop(name) for name in _REQUEST}
    request = Request(**own, context=copy_context())
    joint, thread = membership
    return joint.sample(thread, model, request, settings)
