"""Pickles taken apart without running them.

A pickle is a program for a small stack machine, two of whose instructions import and call whatever
the file names. This machine has the same instructions and builds the same lists and dictionaries,
but a name stays a name and a call is carried out only if it is one of a few that are given to it.
What is left is inert: objects of a training framework become a `Foreign`, which holds nothing.

Nothing here can be made to take long or to grow: every instruction does a bounded piece of work,
their number is limited, and dictionaries take plain keys only (the hash of nested tuples, which
are cheap to write down, takes time without end).

Instructions: Python's `pickletools`, protocols 0 to 5.
"""

import pickletools
import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

MAX_BYTES = 100_000_000  # of one pickle; a checkpoint's has about one million
MAX_OPERATIONS = 3_000_000  # of one pickle; a checkpoint's has about fifty thousand


class UnreadableFile(ValueError):  # noqa: N818 - names what the file is
    """The file holds no readable weights; the message says what was found and what to do."""


class DamagedFile(UnreadableFile):
    """The file is cut off or garbled."""


class HostileFile(UnreadableFile):
    """The file wants to run a program; nothing was run."""


class Global(NamedTuple):
    """A name that a pickle asks for; it is not imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Foreign(NamedTuple):
    """Stands for an object that was not made; whatever is done to it is dropped."""

    kind: str


class InertMachine:
    """Runs the instructions of pickles of one file.

    Args:
        file: the file's name, for messages.
        calls: the calls that are carried out; they get lists, dictionaries, tuples, plain values,
            `Global`s and `Foreign`s.
        persistent: what a persistent id stands for.
    """

    def __init__(
        self,
        file: str,
        calls: Mapping[Global, Callable[..., Any]],
        persistent: Callable[[Any], Any],
    ) -> None:
        self._file = file
        self._calls = calls
        self._persistent = persistent

    def load(self, stream: BinaryIO) -> Any:
        """What the next pickle of a stream holds.

        Raises DamagedFile, HostileFile, or what `persistent` raises.
        """
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        try:
            operations = pickletools.genops(_Limited(stream, self._file))
            for count, (opcode, argument, _) in enumerate(operations):
                if count > MAX_OPERATIONS:
                    raise DamagedFile(
                        f"{self._file} was refused: its pickle has more than {MAX_OPERATIONS:,} "
                        "instructions, which no checkpoint needs"
                    )
                self._step(opcode.name, argument)
            return self._stack.pop()
        except UnreadableFile:
            raise
        # A garbled stream can raise nearly anything out of the parser and the stack.
        except Exception as error:
            raise DamagedFile(
                f"{self._file} cannot be read: its pickle is damaged ({type(error).__name__}). "
                "Copy or download it again."
            ) from error

    def _step(self, operation: str, argument: Any) -> None:
        push, pop = self._stack.append, self._stack.pop
        match operation:
            case "BINPUT" | "LONG_BINPUT" | "PUT":  # first, because every other one is it
                self._memo[argument] = self._stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = self._stack[-1]
            case "BINGET" | "LONG_BINGET" | "GET":
                push(self._memo[argument])
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "NONE":
                push(None)
            case "NEWTRUE" | "NEWFALSE":
                push(operation == "NEWTRUE")
            case "EMPTY_DICT":
                push({})
            case "EMPTY_LIST" | "EMPTY_SET":
                push([])
            case "EMPTY_TUPLE":
                push(())
            case "MARK":
                self._marks.append(len(self._stack))
            case "TUPLE":
                push(tuple(self._since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self._marks.append(len(self._stack) - int(operation[-1]))
                push(tuple(self._since_mark()))
            case "LIST" | "FROZENSET":
                push(self._since_mark())
            case "DICT":
                items = self._since_mark()
                push({})
                self._set(items)
            case "APPEND":
                self._extend([pop()])
            case "APPENDS" | "ADDITEMS":
                self._extend(self._since_mark())
            case "SETITEM":
                value, key = pop(), pop()
                self._set([key, value])
            case "SETITEMS":
                self._set(self._since_mark())
            case "POP" if self._marks and self._marks[-1] == len(self._stack):
                self._marks.pop()
            case "POP" | "BUILD":  # what BUILD would set is the inside of a foreign object
                pop()
            case "POP_MARK":
                self._since_mark()
            case "DUP":
                push(self._stack[-1])
            case "GLOBAL":
                push(self._global(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                name, module = pop(), pop()
                push(self._global(module, name))
            case "INST":
                push(self._call(self._global(*argument.split(" ", 1)), self._since_mark()))
            case "OBJ":
                kind, *arguments = self._since_mark()
                push(self._call(kind, arguments))
            case "REDUCE" | "NEWOBJ":
                arguments, kind = pop(), pop()
                push(self._call(kind, arguments))
            case "NEWOBJ_EX":
                _keywords, arguments, kind = pop(), pop(), pop()
                push(self._call(kind, arguments))
            case "PERSID":
                push(self._persistent(argument))
            case "BINPERSID":
                push(self._persistent(pop()))
            case "EXT1" | "EXT2" | "EXT4" | "NEXT_BUFFER" | "READONLY_BUFFER":
                raise DamagedFile(
                    f"{self._file} cannot be read: its pickle refers to something outside of the "
                    f"file ({operation})"
                )
            case _:  # all that is left are numbers and texts
                push(argument)

    def _since_mark(self) -> list[Any]:
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def _extend(self, items: list[Any]) -> None:
        if isinstance(self._stack[-1], list):
            self._stack[-1].extend(items)

    def _set(self, items: list[Any]) -> None:
        if isinstance(self._stack[-1], dict):
            pairs = zip(items[::2], items[1::2], strict=True)
            self._stack[-1].update((k, v) for k, v in pairs if isinstance(k, str | int))

    def _global(self, module: str, name: str) -> Global:
        found = Global(module, name)
        if _runs_code(found):
            raise HostileFile(
                f"{self._file} was refused: on loading it would call {found}, which can run any "
                "program. Nothing was run. Weights need no such call: delete this file and get a "
                "safetensors copy from a source you trust."
            )
        return found

    def _call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, Global):
            return Foreign(type(function).__name__)
        if function.module in _BUILTINS and function.name == "getattr":
            # How protocols below 4 spell a class inside of a class.
            owner, attribute = arguments
            if isinstance(owner, Global):
                return self._global(owner.module, f"{owner.name}.{attribute}")
            return self._global("an object", attribute)
        if function in self._calls:
            return self._calls[function](*arguments)
        return Foreign(str(function))


class _Limited:
    """A stream out of which only so many bytes come."""

    def __init__(self, stream: BinaryIO, file: str) -> None:
        self._stream = stream
        self._file = file
        self._left = MAX_BYTES

    def read(self, count: int) -> bytes:
        """That many bytes, less at the end of the stream."""
        return self._counted(self._stream.read(min(count, self._left + 1)))

    def readline(self) -> bytes:
        """The rest of the line."""
        return self._counted(self._stream.readline(self._left + 1))

    def _counted(self, read: bytes) -> bytes:
        self._left -= len(read)
        if self._left < 0:
            raise DamagedFile(
                f"{self._file} was refused: its pickle is longer than {MAX_BYTES:,} bytes, which "
                "no checkpoint needs"
            )
        return read


# --- Which names are an attack -------------------------------------------------------------------
#
# The machine calls none of them in any case. Telling them apart turns a file that tries into a
# clear refusal instead of a checkpoint with odd contents.


def _runs_code(found: Global) -> bool:
    pieces = f"{found.module}.{found.name}".split(".")
    names = found.name.split(".")
    if found.module in _BUILTINS:
        return names[0] not in _HARMLESS_BUILTINS or len(names) > 1
    if any(name.startswith("__") or name in _CODE_RUNNING_NAMES for name in names):
        return True
    if pieces[0] in _STDLIB:
        return pieces[0] not in _HARMLESS_STDLIB
    starts = {".".join(pieces[:count]) for count in range(1, len(pieces) + 1)}
    return not starts.isdisjoint(_CODE_RUNNING_PACKAGES)


_BUILTINS = ("builtins", "__builtin__")
_HARMLESS_BUILTINS = frozenset(
    "abs len max min round sorted sum "  # as hyper-parameters
    "bool bytearray bytes complex dict float frozenset int list long object range set slice str "
    "tuple type unicode xrange Ellipsis NotImplemented getattr".split()
)
# What training frameworks keep beside the weights: data, and how data is spelled.
_HARMLESS_STDLIB = frozenset(
    "__main__ _codecs argparse array collections copy_reg copyreg dataclasses datetime decimal "
    "enum fractions functools ipaddress math numbers pathlib random re string time types typing "
    "uuid zoneinfo".split()
)
_STDLIB = sys.stdlib_module_names.union(  # with Python 2's own
    "commands copy_reg cPickle dummy_thread popen2 thread urllib2".split()
)
# Reached through another module's namespace (`torch.serialization` has an `os`), or by getattr.
_CODE_RUNNING_NAMES = frozenset(
    "os posix nt sys subprocess builtins importlib runpy shutil socket ctypes pickle system popen "
    "eval exec execfile compile spawn getattr setattr CodeType FunctionType LambdaType".split()
)
_CODE_RUNNING_PACKAGES = frozenset(
    (
        "torch.load torch.hub torch.jit torch.package torch.serialization.load torch.fx torch.ops "
        "torch._dynamo torch._inductor torch.multiprocessing torch.classes "
        "torch.distributed.rpc torch.distributed.launcher torch.distributed.elastic "
        "torch.utils.cpp_extension torch.utils._config_module torch.storage._load_from_bytes "
        "numpy.load numpy.f2py numpy.testing numpy.distutils pandas.read_pickle dill cloudpickle "
        "joblib pip setuptools pkg_resources distutils requests urllib3 httpx IPython yaml.load "
        "yaml.unsafe_load paramiko fabric"
    ).split()
)
