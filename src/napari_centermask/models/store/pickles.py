"""Read weights from files of other programs, untrusted pickles among them; nothing in them is executed.

PyTorch files are read with `weights_only=True`, detectron2's .pkl as arrays and plain containers alone (`io.array_pickle`), and
safetensors, which have nothing but tensors, as they are.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from numpy._core import multiarray
from safetensors.torch import load_file

from napari_centermask.core.errors import BadModel
from napari_centermask.io.array_pickle import load_arrays, plain
from napari_centermask.models.store.checkpoint import IGNORED, State

# Other errors that a malicious or damaged file can cause in the readers.
_UNREADABLE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    safetensors.SafetensorError,
)
_LEFT_OUT = (*IGNORED, "_momentum")  # the latter of Detectron's files
# Plain numbers that schedulers leave beside the weights.
_NUMPY: list[Callable[..., object] | tuple[Callable[..., object], str]] = [
    (multiarray.scalar, "numpy.core.multiarray.scalar"),
    (multiarray.scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(t)) for t in (np.float64, np.float32, np.int64, np.int32, np.bool_)),
]


def read_state(path: Path) -> State:
    """The tensors of a checkpoint file; nothing in it is executed.

    Raises
    ------
    BadModel
        If it cannot be read or has other objects.
    """
    path = Path(path)
    read = _READERS.get(path.suffix.lower(), _read_tensors)
    try:
        content = read(path)
        for key in ("model", "state_dict", "blobs"):
            if isinstance(content, dict) and isinstance(content.get(key), dict):
                content = content[key]
        if not isinstance(content, dict):
            raise BadModel(
                f"{path.name} has no dictionary of weights but a {type(content).__name__}. Choose another file."
            )
        state = {k: _tensor(v) for k, v in content.items() if isinstance(k, str) and not k.endswith(_LEFT_OUT)}
    except _UNREADABLE as error:
        raise BadModel(
            f"{path.name} cannot be opened: {_reason(error)}. "
            "Files that would run code are never opened. Get the weights again from their publisher."
        ) from error
    if state and all(k.startswith("module.") for k in state):
        state = {k.removeprefix("module."): v for k, v in state.items()}
    if not state or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise BadModel(f"{path.name} has more than a dictionary of weights. Get a file with only the weights.")
    return state


def _reason(error: Exception) -> str:
    """The reason on one line, without PyTorch's advice to unpickle the file anyway."""
    if wanted := re.search(r"GLOBAL (\S+)", str(error)):
        return f"it asks for {wanted[1]}"
    if "weights_only" in str(error) or not str(error):
        return "it is damaged or holds more than weights"
    return str(error).splitlines()[0][:300].rstrip(".")


def _tensor(value: object) -> Any:
    return torch.from_numpy(np.array(value)) if isinstance(value, np.ndarray) else value


def _read_tensors(path: Path) -> Any:
    with torch.serialization.safe_globals(_NUMPY), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about pickle protocols; what cannot be read is an error anyway
        return torch.load(path, map_location="cpu", weights_only=True)


def _read_arrays(path: Path) -> Any:
    content = load_arrays(path.read_bytes())
    for key in ("model", "blobs"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    return {k: plain(v) for k, v in content.items()} if isinstance(content, dict) else content


_READERS: dict[str, Callable[[Path], Any]] = {".pkl": _read_arrays, ".safetensors": load_file}
"""By suffix; other files are PyTorch's."""
