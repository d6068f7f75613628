"""Weight files under other names: several files, or another layout, read as one file.

A view holds no data. Its header is put together from the headers of the files behind it, and a
tensor is read, and where necessary joined, when it is asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .weights import TensorInfo, WeightFile


def _the_one(tensors: Sequence[Tensor]) -> Tensor:
    (tensor,) = tensors
    return tensor


@dataclass(frozen=True)
class Origin:
    """Where a tensor comes from: one or more of a file's, and how they become one."""

    file: WeightFile
    names: tuple[str, ...]
    join: Callable[[Sequence[Tensor]], Tensor] = _the_one

    def read(self) -> Tensor:
        """The tensor on the CPU."""
        return self.join([self.file.read(name) for name in self.names])

    def info(self) -> TensorInfo:
        """What `read` would give, from the header alone."""
        infos = [self.file.tensors[name] for name in self.names]
        joined = self.join([torch.empty(i.shape, dtype=i.dtype, device="meta") for i in infos])
        return TensorInfo(joined.dtype, tuple(joined.shape))


class View(WeightFile):
    """A weight file whose tensors come from others, named by their names here.

    `path` is the file or folder that messages name.
    """

    def __init__(
        self, path: Path, origins: Mapping[str, Origin], metadata: Mapping[str, str] | None = None
    ) -> None:
        self.path = path
        self.metadata = dict(metadata or {})
        self.tensors = {name: origin.info() for name, origin in origins.items()}
        files = {id(origin.file): origin.file for origin in origins.values()}.values()
        self.foreign = list(dict.fromkeys(name for file in files for name in file.foreign))
        self._origins = dict(origins)

    def read(self, name: str) -> Tensor:
        """One tensor on the CPU."""
        return self._origins[name].read()


def renamed(file: WeightFile, rename: Callable[[str], str]) -> View:
    """The same tensors, each under the name that `rename` gives it."""
    origins = {rename(name): Origin(file, (name,)) for name in file.tensors}
    return View(file.path, origins, file.metadata)


def with_prefix(file: WeightFile, before: str, after: str) -> View:
    """The same tensors, with the prefix `after` where a name begins with `before`."""

    def rename(name: str) -> str:
        return after + name.removeprefix(before) if name.startswith(before) else name

    return renamed(file, rename)
