"""The cells that `large_cells` wrote, read for a part of the image, or as the values that stand beside the label images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.errors import BadAnnotations, BadImage, reason
from napari_centermask.core.instances import Box, Instance
from napari_centermask.core.result import Index
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.formats import fields
from napari_centermask.io.formats.cell_correction import NUMBER, finish_left_over, union_of
from napari_centermask.io.formats.cell_parts import CellParts, Row, cell_of, table_of
from napari_centermask.io.zarr_groups import attributes, first_dataset, open_group

_DAMAGED = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


def entries_of(table: CellParts, n: int) -> list[dict[int, dict[str, Any]]]:
    """For each of `n` label images, what `formats.ome_zarr` knows of each label, in the order of the ids."""
    entries: list[dict[int, dict[str, Any]]] = [{} for _ in range(n)]
    values = ("id", "category", "score", "mask_quality", "status", "source", "order")
    for row in table.rows():
        if not 0 <= row["label_image"] < n:
            continue
        own = {name: row[name] for name in values} | {"probabilities": row["probabilities"] or []}
        own |= {name: row[name] for name in ("track", "parent") if row[name]}
        entries[row["label_image"]][row["id"]] = {"label-value": row["id"], "rank": row["id"], KEY: own}
    return entries


@dataclass(frozen=True)
class CellsOnDisk:
    """The cells of an image of any size.

    Attributes
    ----------
    path
        The OME-Zarr folder.
    labels
        The label images in full size, (*leading, H, W); cells that share a pixel are in different ones.
    table
        The values of the cells.
    leading, shape
        Sizes of the axes before height and width, and (H, W).
    categories
        Names by id.
    about
        All that stands beside the label images, as `fields.image_fields` writes it.
    """

    path: Path
    labels: Sequence[Any]
    table: CellParts
    leading: tuple[int, ...]
    shape: tuple[int, int]
    categories: Mapping[int, str]
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> CellsOnDisk:
        """Open what `segment` wrote for a large image; reads no cell. A correction that was interrupted is finished first.

        Raises
        ------
        BadAnnotations
            If it is something else, damaged, or its table is not beside it; or a correction cannot be finished.
        MissingExtra
            Without zarr.
        """
        finish_left_over(path)
        try:
            group = open_group(path)["labels"]
            own = attributes(group).get(KEY)
            labels = [first_dataset(group[name]) for name in attributes(group)["labels"]]
            shape = labels[0].shape
        except _DAMAGED as error:
            raise BadAnnotations(f"{path} cannot be opened as cells of a large image: {reason(error)}.") from error
        table = table_of(path, own)
        if table is None:
            raise BadAnnotations(
                f"{path.name} has no table beside it. Copy the folder {path.name.removesuffix('.ome.zarr')}.parquet there, or "
                "open the labels alone."
            )
        sizes = tuple(map(int, shape))
        names = fields.read_categories(own) or {1: "cell"}
        return cls(path, labels, table, sizes[:-2], (sizes[-2], sizes[-1]), names, dict(own or {}))

    @property
    def corrections(self) -> int:
        """How many corrections were written since the image was segmented."""
        number = self.about.get(NUMBER)
        return int(number) if number is not None and fields.is_whole(number) else 0

    def cells(self, box: Box, index: Index = ()) -> list[Instance]:
        """The whole cells whose boxes meet a box (y0, x0, y1, x1) of a plane, in the order of their ids.

        Raises
        ------
        BadAnnotations
            If the table or the label images are damaged.
        """
        return [cell for _, cell in self.placed(box, index)]

    def placed(self, box: Box, index: Index = ()) -> list[tuple[int, Instance]]:
        """As `cells`, each with the number of its label image."""
        rows = sorted(self.table.rows(box, index), key=lambda row: row["id"])
        if not rows:
            return []
        around = union_of([(r["y0"], r["x0"], r["y1"], r["x1"]) for r in rows])
        windows = {n: self._window(n, index, around) for n in {row["label_image"] for row in rows}}
        return [(n, self._cell(row, windows[n], around)) for row in rows for n in (row["label_image"],)]

    def _window(self, n: int, index: Index, box: Box) -> np.ndarray:
        try:
            part = self.labels[n][(*index, slice(box[0], box[2]), slice(box[1], box[3]))]
        except (BadImage, *_DAMAGED) as error:
            raise BadAnnotations(f"Label image {n} of {self.path} cannot be read: {reason(error)}.") from error
        return np.asarray(part)

    def _cell(self, row: Row, window: np.ndarray, around: Box) -> Instance:
        y0, x0 = row["y0"] - around[0], row["x0"] - around[1]
        mask = window[y0 : row["y1"] - around[0], x0 : row["x1"] - around[1]] == row["id"]
        if not mask.any():
            raise BadAnnotations(
                f"Cell {row['id']} has no pixels in {self.path}: it is damaged. Segment the image again."
            )
        return cell_of(row, mask)
