"""Segment overlapping cells with CenterMask2, in napari and on the command line.

Importing the package is cheap: the names below are loaded on first use, and torch never is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Instance", "Instances", "__version__", "load_engine", "segment"]

if TYPE_CHECKING:
    from napari_centermask.core.instances import Instance, Instances
    from napari_centermask.engines.load import load_engine
    from napari_centermask.pipeline import segment

_HOMES = {
    "Instance": "napari_centermask.core.instances",
    "Instances": "napari_centermask.core.instances",
    "load_engine": "napari_centermask.engines.load",
    "segment": "napari_centermask.pipeline",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
