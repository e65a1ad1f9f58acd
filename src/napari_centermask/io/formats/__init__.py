"""The registry of file formats for reading and writing; each format is a module of this package, imported on first use.

Every format reads into `core.result.Result` and writes from it; docs/formats.md says what each one keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from napari_centermask.core.collection import paused_collection
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.progress import Advance, silent

if TYPE_CHECKING:
    from napari_centermask.core.result import Result
    from napari_centermask.io.formats.loss import Loss
    from napari_centermask.io.formats.reading import Reading


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes
    ----------
    name
        Its name on the command line.
    title
        Its name for people.
    module
        Module of this package with `read(path, images)` and, if it has an `ending`, `write(path, results)`.
    ending
        Ending of the files that it writes; empty if it can only be read.
    endings
        Endings of the files that it reads, in lower case.
    exact
        Whether overlapping masks are kept exactly.
    many
        Whether one file holds many images; otherwise each image has a file.
    keeps_ids
        Whether cells keep their ids.
    version
        The version of the format that is written; empty if there is only one.
    """

    name: str
    title: str
    module: str
    ending: str
    endings: tuple[str, ...]
    exact: bool
    many: bool = False
    keeps_ids: bool = True
    version: str = ""

    def read(
        self,
        path: Path,
        *,
        images: Path | None = None,
        labels: Sequence[str] | None = None,
        advance: Advance = silent,
    ) -> Reading:
        """Read one file.

        Parameters
        ----------
        images
            Folder of the images, for formats that do not store the size of an image.
        labels
            Names of the label images to read, of those in an OME-Zarr; by default all.
        advance
            Called with the number of cells (of a stack of labels: planes) read so far, and of all.

        Raises
        ------
        BadAnnotations
            If it cannot be read, with the reason and what to do.
        BadSettings
            If label images are chosen in a format that has none.
        MissingExtra
            If the format needs a package that is not installed.
        """
        if labels and self.module != "ome_zarr":
            raise BadSettings(
                f"{self.title} has no label images to choose from, only OME-Zarr has. Leave out --labels."
            )
        options = {"labels": labels} if labels else {}
        with paused_collection():
            reading: Reading = self._module.read(Path(path), images, advance, **options)
        return reading

    def write(self, path: Path, results: Sequence[Result], *, advance: Advance = silent) -> None:
        """Write one file, whole or not at all; formats that are not `many` take one result.

        Parameters
        ----------
        advance
            Called with the number of cells written so far, and of all.

        Raises
        ------
        MissingExtra
            If the format needs a package that is not installed.
        """
        options = {"version": self.version} if self.version else {}
        with paused_collection():
            self._module.write(Path(path), results, advance, **options)

    def loss(self, results: Sequence[Result]) -> Loss:
        """Count what writing would lose, without writing anything."""
        from napari_centermask.io.formats.loss import NO_LOSS, flat_loss

        return NO_LOSS if self.exact else flat_loss(results, keeps_ids=self.keeps_ids)

    @property
    def _module(self) -> ModuleType:
        return import_module(f".{self.module}", __name__)


_ALL = (
    Format("coco", "COCO instances", "coco", ".json", (".json",), exact=True, many=True),
    Format("labels", "Label image", "labels", "_labels.tif", (".tif", ".tiff", ".png", ".npy"), exact=False),
    Format("imagej", "ImageJ ROIs", "imagej", "_rois.zip", (".zip", ".roi"), exact=True),
    Format("cellpose", "Cellpose", "cellpose", "_seg.npy", ("_seg.npy",), exact=False, keeps_ids=False),
    Format("geojson", "QuPath GeoJSON", "geojson", ".geojson", (".geojson", ".geojson.gz", ".json.gz"), exact=True),
    Format("ome-zarr", "OME-Zarr labels", "ome_zarr", ".ome.zarr", (".zarr",), exact=True, version="0.4"),
    Format("ome-zarr-0.5", "OME-Zarr 0.5 labels", "ome_zarr", ".ome.zarr", (".zarr",), exact=True, version="0.5"),
)
FORMATS = {f.name: f for f in _ALL}
"""Formats that are read and written, by name."""
READABLE = FORMATS | {
    f.name: f
    for f in (
        Format("labelme", "LabelMe", "labelme", "", (".json",), exact=True),
        Format("yolo", "YOLO segmentation", "yolo", "", (".txt",), exact=True),
        Format("ctc", "Cell Tracking Challenge", "ctc", "", (), exact=False),
    )
}
"""All formats that can be read, by name; the others come from programs for annotation, and "ctc" is a folder with tracks."""
