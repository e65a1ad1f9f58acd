"""A folder of Zarr whose files are written whole: a killed process or a full disk never leaves half a chunk."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from napari_centermask.io.whole_file import whole_file
from napari_centermask.io.zarr_groups import zarr_package


def open_to_correct(path: Path) -> Any:
    """The group of a folder, whose chunks and attributes are replaced whole, or not at all.

    Raises
    ------
    MissingExtra
        Without zarr.
    """
    return zarr_package().open_group(store=_whole_store()(str(path)), mode="r+")


@cache
def _whole_store() -> Any:
    """The class of the store; zarr's own writes are only whole in some versions, and are not flushed to the disk."""
    from zarr.storage import LocalStore

    class WholeStore(LocalStore):
        async def set(self, key: str, value: Any) -> None:
            with whole_file(Path(self.root) / key) as part:
                part.write_bytes(value.to_bytes())

    return WholeStore
