"""The registry of file formats for reading and writing; each format is a module of this package, loaded on use.

Every format reads into `core.result.Result` and writes from it; docs/formats.md says what each keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_centermask.core.result import Result
    from napari_centermask.io.formats.loss import Loss
    from napari_centermask.io.formats.reading import Reading


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    name
        As on the command line.
    title
        As a person reads it.
    module
        File of this package with `read(path, images)` and `write(path, results)`.
    ending
        What names of written files end with.
    endings
        What names of files that it reads end with, in lower case.
    exact
        Whether masks that overlap come back equal to the bit.
    many
        Whether one file holds many images; else a folder of files does.
    """

    name: str
    title: str
    module: str
    ending: str
    endings: tuple[str, ...]
    exact: bool
    many: bool = False

    def read(self, path: Path, *, images: Path | None = None) -> Reading:
        """Read one file.

        Parameters
        ----------
        images
            Folder of the images, for formats that do not tell how large an image is.

        Raises
        ------
        BadAnnotations
            If it cannot be read, saying why and what to do.
        MissingExtra
            If the format needs a package that is not installed.
        """
        return self._module.read(Path(path), images)

    def write(self, path: Path, results: Sequence[Result]) -> None:
        """Write one file, under a temporary name until it is whole; formats that are not `many` take one result.

        Raises
        ------
        MissingExtra
            If the format needs a package that is not installed.
        """
        self._module.write(Path(path), results)

    def loss(self, results: Sequence[Result]) -> Loss:
        """What writing would lose, in numbers; nothing is written."""
        from napari_centermask.io.formats.loss import NO_LOSS, flat_loss

        return NO_LOSS if self.exact else flat_loss(results)

    @property
    def _module(self) -> ModuleType:
        return import_module(f".{self.module}", __name__)


_ALL = (
    Format("coco", "COCO instances", "coco", ".json", (".json",), exact=True, many=True),
    Format("labels", "Label image", "labels", "_labels.tif", (".tif", ".tiff", ".png", ".npy"), exact=False),
    Format("imagej", "ImageJ ROIs", "imagej", "_rois.zip", (".zip", ".roi"), exact=True),
    Format("cellpose", "Cellpose", "cellpose", "_seg.npy", ("_seg.npy",), exact=False),
    Format("geojson", "QuPath GeoJSON", "geojson", ".geojson", (".geojson",), exact=True),
    Format("ome-zarr", "OME-Zarr labels", "ome_zarr", ".ome.zarr", (".zarr",), exact=True),
)
FORMATS = {f.name: f for f in _ALL}
