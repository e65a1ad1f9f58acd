"""Segment overlapping cells with CenterMask2, in napari, on the command line and in notebooks.

Importing the package is cheap: the names below are loaded on first use, and torch never is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__: str
__all__ = [
    "Cells",
    "FineTuned",
    "Instance",
    "Instances",
    "__version__",
    "fine_tune",
    "load_engine",
    "read_cells",
    "read_coco",
    "sample_image",
    "segment",
    "segment_large",
]

if TYPE_CHECKING:
    from napari_centermask.api import (
        Cells,
        FineTuned,
        fine_tune,
        read_cells,
        read_coco,
        sample_image,
        segment,
        segment_large,
    )
    from napari_centermask.core.instances import Instance, Instances
    from napari_centermask.engines.load import load_engine

_HOMES = {
    "Instance": "napari_centermask.core.instances",
    "Instances": "napari_centermask.core.instances",
    "load_engine": "napari_centermask.engines.load",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "__version__":
        return _version()
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "napari_centermask.api")), name)


def _version() -> str:
    """The version that was installed: that of the git tag, see pyproject.toml."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("napari-centermask")
    except PackageNotFoundError:  # run from its source without an installation
        return "0+unknown"


def __dir__() -> list[str]:
    return __all__
