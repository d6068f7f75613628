"""Hostile pickles are stopped here: no pickle is ever run, and nothing that it names is called.

A pickle is a program for a small stack machine, two of whose instructions import and call whatever
the file names. This machine has the same instructions and builds the same lists and dictionaries,
but a name stays a name (a `Global`) and a call is carried out only if it is one of the few in
`calls`. Everything else becomes a `Foreign`, which holds nothing. What was asked for is reported.

Nor can a file make it take long or grow, because these are limited:

- the bytes of a pickle, its instructions and the names that it asks for;
- numbers and texts: too long to be a size or a name, they become a `Foreign`;
- keys: only short texts, and nothing else is hashed, compared or put into a message, because the
  hash and the text of nested tuples, which are cheap to write down, take time without end;
- arguments of a call, whose elements count as instructions.

Instructions: Python's `pickletools`, protocols 0 to 5.
"""

import pickletools
import re
from collections.abc import Callable, Mapping
from io import BytesIO
from mmap import mmap
from typing import IO, Any, NamedTuple, cast

from .errors import DamagedFile, UnreadableFile, excessive

MAX_BYTES = 100_000_000  # of a file's pickles; a checkpoint's have about one million
MAX_OPERATIONS = 1_000_000  # of these; a checkpoint's have about fifty thousand
_MAX_NAMES = 1_000  # that one file asks for; a checkpoint for about twenty
_MAX_TEXT = 1_000  # characters of a key or a name
_MAX_BITS = 128  # of a number; PyTorch's magic number has 77
_MAX_ARGUMENTS = 32  # of a call; the longest has ten


def shown(text: str, length: int = 200) -> str:
    """A text of unknown origin, fit for a message: short, on one line, without escape codes."""
    text = text if len(text) <= length else text[: length - 4] + " ..."
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class Global(NamedTuple):
    """A name that a pickle asks for; it is not imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Foreign(NamedTuple):
    """Stands for an object that was not made; whatever is done to it is dropped."""

    kind: Global | str


class PickleMachine:
    """Runs the instructions of the pickles of one file.

    Args:
        file: the file's name, for messages.
        calls: the calls that are carried out; they get lists, dictionaries, tuples, plain values,
            `Global`s and `Foreign`s.
        persistent: what a persistent id stands for.

    `names` holds what the pickles have asked for so far.
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
        self.names: dict[Global, Global] = {}
        self._operations = 0

    def load(self, stream: BytesIO | mmap) -> Any:
        """What the next pickle of a stream holds, which ends after MAX_BYTES at the latest.

        Raises DamagedFile, or what `persistent` raises.
        """
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        try:
            for opcode, argument, _ in pickletools.genops(cast(IO[bytes], stream)):
                self._count(1)
                self._step(opcode.name, argument)
            return self._stack.pop()
        except UnreadableFile:
            raise
        except Exception as error:  # a garbled stream raises nearly anything
            if stream.tell() >= MAX_BYTES:
                raise excessive(self._file, f"is longer than {MAX_BYTES:,} bytes") from error
            raise DamagedFile(
                f"{self._file} cannot be read: its pickle is damaged ({type(error).__name__}). "
                "Copy or download it again."
            ) from error

    def _count(self, operations: int) -> None:
        self._operations += operations
        if self._operations > MAX_OPERATIONS:
            raise excessive(self._file, f"has more than {MAX_OPERATIONS:,} instructions")

    def _step(self, operation: str, argument: Any) -> None:
        push, pop = self._stack.append, self._stack.pop
        if operation in _OPERANDS:
            self._marks.append(len(self._stack) - _OPERANDS[operation])
        match operation:
            case "BINPUT" | "LONG_BINPUT" | "PUT":  # first, because every other one is it
                self._remember(argument)
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
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                push(tuple(self._since_mark()))
            case "LIST" | "FROZENSET":
                push(self._since_mark())
            case "DICT":
                items = self._since_mark()
                push({})
                self._set(items)
            case "APPEND" | "APPENDS" | "ADDITEMS":
                self._extend(self._since_mark())
            case "SETITEM" | "SETITEMS":
                self._set(self._since_mark())
            case "POP" if self._marks and self._marks[-1] == len(self._stack):
                self._marks.pop()
            case "POP":
                pop()
            case "BUILD":
                self._build(pop())
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
                push(_small(argument))

    def _remember(self, place: int) -> None:
        if not 0 <= place <= MAX_OPERATIONS:  # large numbers can be chosen to collide
            raise ValueError("a place in the memo that no pickler would choose")
        self._memo[place] = self._stack[-1]

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
            self._stack[-1].update((k, v) for k, v in pairs if isinstance(k, str))

    def _build(self, state: Any) -> None:
        """Only the parameters of a module that is read as a dictionary are of use."""
        parameters = state.get("_parameters") if isinstance(state, dict) else None
        if isinstance(self._stack[-1], dict) and isinstance(parameters, dict):
            self._count(len(parameters))
            self._stack[-1].update(parameters)

    def _global(self, module: Any, name: Any) -> Global:
        if not all(isinstance(n, str) and _NAME.fullmatch(n) for n in (module, name)):
            raise DamagedFile(
                f"{self._file} cannot be read: its pickle asks for something whose name is not "
                "one. Copy or download it again, from a source you trust."
            )
        found = Global(module, name)
        if found not in self.names and len(self.names) == _MAX_NAMES:
            raise excessive(self._file, f"asks for more than {_MAX_NAMES:,} names")
        return self.names.setdefault(found, found)

    def _call(self, function: Any, arguments: Any) -> Any:
        """Nothing is called but `calls` and this module's own getattr."""
        if not isinstance(function, Global):
            return Foreign(type(function).__name__)
        is_getattr = function.module in ("builtins", "__builtin__") and function.name == "getattr"
        if not is_getattr and function not in self._calls:
            return Foreign(function)
        if not isinstance(arguments, tuple | list) or len(arguments) > _MAX_ARGUMENTS:
            raise ValueError("arguments that no pickler would write")
        self._count(sum(len(a) for a in arguments if isinstance(a, tuple | list)))
        return self._attribute(*arguments) if is_getattr else self._calls[function](*arguments)

    def _attribute(self, owner: Any, attribute: Any) -> Global:
        """How protocols below 4 spell a class inside of a class."""
        if isinstance(owner, Global) and isinstance(attribute, str):
            return self._global(owner.module, f"{owner.name}.{attribute}")
        return self._global("an_object", attribute)


_OPERANDS = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "APPEND": 1, "SETITEM": 2}
_NAME = re.compile(r"[\w.-]{1,300}")  # "-" is in the names of files that are modules


def _small(value: Any) -> Any:
    """A number or a text, if it can be a size, a key or a name."""
    if isinstance(value, str | bytes | bytearray) and len(value) > _MAX_TEXT:
        return Foreign("long text")
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        return Foreign("large number")
    return value
