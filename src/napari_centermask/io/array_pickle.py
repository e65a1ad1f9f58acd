"""Read numpy arrays and plain containers from untrusted pickles; nothing in them is executed.

Pickles are programs. Only a short list of their instructions is followed here, on stand-ins of our own: the only names that a
file may use are those that numpy itself writes for arrays, and even those only reach numpy as checked bytes.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

_DAMAGED = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, RecursionError),
    *(TypeError, ValueError, struct.error),
)
_KINDS = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)} | {"f2", "f4", "f8", "b1", "O8", "O"}


class _DType:
    """Stands for `numpy.dtype`: a code and a byte order."""

    def __init__(self, code: Any, *flags: Any) -> None:
        if code not in _KINDS:
            raise pickle.UnpicklingError(f"arrays of {str(code)[:20]!r} are not allowed")
        self.code, self.order = code, "="

    def build(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("an array has an unknown byte order")
        self.order = order

    @property
    def numpy(self) -> np.dtype:
        native: np.dtype[Any] = np.dtype(self.code).newbyteorder("=" if self.order == "|" else self.order)
        return native


class _Array:
    """Stands for `numpy.ndarray`; `value` is the array, or a list for arrays of objects."""

    def __init__(self) -> None:
        self.value: Any = None

    def build(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("an array has an unknown format")
        _, shape, kind, fortran, content = state
        if not isinstance(kind, _DType) or not isinstance(shape, tuple) or len(shape) > 8:
            raise pickle.UnpicklingError("an array has an unknown format")
        if not all(type(n) is int and n >= 0 for n in shape):
            raise pickle.UnpicklingError("an array has an impossible shape")
        if kind.code.startswith("O"):
            if not isinstance(content, list) or len(content) != math.prod(shape):
                raise pickle.UnpicklingError("an array of objects has another size than it declares")
            self.value = content
            return
        if isinstance(content, str):  # Python 2 wrote bytes as text
            content = content.encode("latin1")
        dtype = kind.numpy
        if not isinstance(content, bytes) or len(content) != math.prod(shape) * dtype.itemsize:
            raise pickle.UnpicklingError("an array has another number of bytes than it declares")
        self.value = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran is True else "C")


def _reconstruct(*arguments: Any) -> _Array:
    return _Array()


def _scalar(kind: Any, content: Any) -> Any:
    if not isinstance(kind, _DType) or kind.code.startswith("O") or not isinstance(content, bytes | str):
        raise pickle.UnpicklingError("a number has an unknown format")
    content = content.encode("latin1") if isinstance(content, str) else content
    if len(content) != kind.numpy.itemsize:
        raise pickle.UnpicklingError("a number has an unknown format")
    return np.frombuffer(content, kind.numpy)[0].item()


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("text has an unknown encoding")
    return text.encode("latin1")


def _mapping(items: Any = ()) -> dict[Any, Any]:
    """Stands for `collections.OrderedDict`."""
    return {_key(k): v for k, v in items}


def _join(*parts: Any) -> str:
    return "/".join(p for p in parts if isinstance(p, str))


class _Class:
    """Stands for a class that is only passed on."""


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Class,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): _mapping,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ADMITTED[_module, "_reconstruct"] = _reconstruct
    _ADMITTED[_module, "scalar"] = _scalar
for _module in ("pathlib", "pathlib._local"):
    for _name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"):
        _ADMITTED[_module, _name] = _join
_CALLED = (_DType, _encode, _reconstruct, _scalar, _join, _mapping)
_FOLLOWED = (
    *("PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "POP", "POP_MARK"),
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINSTRING", "SHORT_BINSTRING"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "LIST", "APPEND", "APPENDS"),
    *("EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"),
    *("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
)


class _Reader(pickle._Unpickler):
    """Python's own unpickler in Python, with few instructions; its memo is a dictionary, so a large index cannot fill memory."""

    # What the base class has at run time; its types name only `load`.
    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        code: pickle._Unpickler.dispatch[code]
        for code in (getattr(pickle, name)[0] for name in _FOLLOWED)
        if code in pickle._Unpickler.dispatch
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {str(module)[:60]}.{str(name)[:60]}, which is not an array")
        return _ADMITTED[module, name]

    def load_reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack[-1]
        if not any(function is admitted for admitted in _CALLED) or not isinstance(arguments, tuple):
            raise pickle.UnpicklingError("it calls a function that is not allowed")
        self.stack[-1] = function(*arguments)

    def load_build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, _Array | _DType):
            raise pickle.UnpicklingError("it builds an object that is not allowed")
        target.build(state)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._target(dict)[_key(key)] = value

    def load_setitems(self) -> None:
        items = self.pop_mark()
        target = self._target(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_key(key)] = value

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({_key(k): v for k, v in zip(items[::2], items[1::2], strict=True)})

    def load_append(self) -> None:
        value = self.stack.pop()
        self._target(list).append(value)

    def load_appends(self) -> None:
        items = self.pop_mark()
        self._target(list).extend(items)

    def _target(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise pickle.UnpicklingError("it is damaged")
        return self.stack[-1]

    dispatch.update(
        {
            pickle.REDUCE[0]: load_reduce,
            pickle.BUILD[0]: load_build,
            pickle.SETITEM[0]: load_setitem,
            pickle.SETITEMS[0]: load_setitems,
            pickle.DICT[0]: load_dict,
            pickle.APPEND[0]: load_append,
            pickle.APPENDS[0]: load_appends,
        }
    )


def _key(key: Any) -> Any:
    """Check that a dictionary's key is text or a number: deeply nested tuples take forever to hash."""
    if not isinstance(key, str | int | float):
        raise pickle.UnpicklingError("a dictionary has keys that are neither text nor numbers")
    return key


def load_arrays(content: bytes) -> Any:
    """The content of a pickle: numbers, text, lists, tuples, dictionaries, and numpy arrays.

    Arrays are read-only views of `content`; arrays of objects come as flat lists.

    Raises
    ------
    pickle.UnpicklingError
        If it is damaged or asks for anything else.
    """
    try:
        value = _Reader(io.BytesIO(content), encoding="latin1").load()
    except pickle.UnpicklingError:
        raise
    except _DAMAGED as error:
        raise pickle.UnpicklingError(f"it is damaged ({type(error).__name__})") from error
    return plain(value)


def plain(value: Any) -> Any:
    """The value without its stand-in, such as the array of an `_Array`."""
    return value.value if isinstance(value, _Array) else value
