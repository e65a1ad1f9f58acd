"""Label images: one cell per pixel. Overlaps are lost; `loss.flat_loss` counts them before."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_centermask.core.compose import from_runs, label_image
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance
from napari_centermask.core.label_runs import LabelRuns
from napari_centermask.core.progress import Advance, counting, part_of, silent
from napari_centermask.core.result import Index, Result
from napari_centermask.io.formats.fields import place
from napari_centermask.io.formats.reading import Reading, check_size, find_image
from napari_centermask.io.images import read_image
from napari_centermask.io.whole_file import whole_file

_TRACKING = re.compile(r"(?:man_seg|man_track|mask)(\d{3,6})")
"""Of the Cell Tracking Challenge: `01_GT/SEG/man_seg007.tif` and `01_RES/mask007.tif`, for example, belong to `01/t007.tif`."""
_MARKS = ("_labels", "_label", "_cp_masks", "_masks", "_mask", "_seg", "_rois")


def read(path: Path, images: Path | None = None, advance: Advance = silent) -> Reading:
    """Cells of a label image or a stack (TIFF, PNG, NPY).

    Raises
    ------
    BadAnnotations, BadImage
        If it does not hold whole numbers of 0 and more.
    """
    image = read_image(path, labels=True)
    axes, data = image.axes, image.data
    if "S" in axes or data.dtype.kind not in "biuf":
        raise BadAnnotations(f"{path.name} is a colour image, not labels. Export it as labels.")
    order = [axes.index(a) for a in (*(a for a in axes if a not in "YX"), "Y", "X")]
    image_path = find_image(path, images, image_name(path))
    name = image_path.name if image_path else image_name(path)
    stack = np.asarray(data.transpose(order))
    if _is_binary(stack):
        stack, n = _separated(stack)
        note = f"It is a mask of one value: its {n:,} separate parts are read as cells; those that touch are one cell."
        return Reading((from_stack(path, stack, name=name, advance=advance),), (note,))
    result, several = _from_stack(path, stack, name, advance, with_parts=True)
    note = f"{several:,} of {counted(len(result), 'label')} in separate parts; each label is read as one cell."
    return Reading((result,), (note,) * bool(several))


def _is_binary(stack: np.ndarray) -> bool:
    """Whether an array is a foreground mask and not labels: bool, 0 and 1 of 8 bits, or 0 and 255 or 65,535 of any."""
    if stack.dtype == bool:
        return True
    top = stack.max(initial=0)
    if top not in ((1, 255) if stack.dtype == np.uint8 else (255, 65_535)):
        return False
    return set(np.unique(stack).tolist()) <= {0, top}


def _separated(stack: np.ndarray) -> tuple[np.ndarray, int]:
    """Label the separate parts of a mask, plane by plane, and count them; parts that touch at a corner are one."""
    from scipy.ndimage import label

    labels, last = np.zeros(stack.shape, np.int32), 0
    for index in np.ndindex(*stack.shape[:-2]):
        parts, n = label(stack[index], np.ones((3, 3)))
        labels[index] = np.where(parts > 0, parts + last, 0)
        last += n
    return labels, last


def image_name(path: Path) -> str:
    """Name of the image that a file of labels belongs to: the file's name without the usual ending."""
    stem = _stem(path)
    if frame := _TRACKING.fullmatch(stem):
        return f"t{frame[1]}"
    mark = _mark(stem)
    return stem[: len(stem) - len(mark)]


def is_label_name(path: Path) -> bool:
    """Whether a file's name says that it holds labels: it ends with `_labels`, `_masks` or the like."""
    return bool(_mark(_stem(path)) or _TRACKING.fullmatch(_stem(path)))


def _stem(path: Path) -> str:
    for ending in (".ome.zarr", ".zarr", ".ome.tif", ".ome.tiff", ".geojson.gz", ".json.gz"):
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)]
    return path.stem


def _mark(stem: str) -> str:
    return next((m for m in _MARKS if stem.lower().endswith(m) and len(stem) > len(m)), "")


def from_stack(path: Path, stack: np.ndarray, *, name: str, advance: Advance = silent) -> Result:
    """Cells of an array (..., H, W) of labels; equal labels on different planes become different cells.

    Raises
    ------
    BadAnnotations
        If it does not hold whole numbers of 0 and more.
    """
    return _from_stack(path, stack, name, advance)[0]


def _from_stack(
    path: Path, stack: np.ndarray, name: str, advance: Advance, *, with_parts: bool = False
) -> tuple[Result, int]:
    """The result, and how many labels lie in parts that do not touch: each may have been meant as many cells."""
    if stack.ndim < 2:
        raise BadAnnotations(f"{path.name} is not an image of labels: it has {stack.ndim} dimensions. Export it again.")
    *leading, height, width = stack.shape
    check_size(path, (height, width), tuple(leading))
    result = Result((height, width), leading=tuple(leading), name=name)
    cells: list[tuple[Index, Instance]] = []
    several, n_planes = 0, math.prod(leading)
    for index in counting(np.ndindex(*leading), n_planes, advance if n_planes > 1 else silent):
        runs = LabelRuns(whole_labels(path, stack[index]))
        of_cells = advance if n_planes == 1 else silent
        found = from_runs(runs, result.shape, source=path.name, status="accepted", advance=of_cells)
        cells += [(index, cell) for cell in found]
        several += runs.n_apart() if with_parts else 0
    place(result, cells)
    return result, several


def whole_labels(path: Path, plane: np.ndarray) -> np.ndarray:
    """A plane as integer labels; early files of Cellpose count from -1.

    Raises
    ------
    BadAnnotations
        If it holds other numbers.
    """
    wrong = plane.dtype.kind not in "biuf"
    if plane.dtype.kind == "f":
        whole = np.isfinite(plane).all() and (plane == np.floor(plane)).all() and np.abs(plane).max(initial=0) < 2**31
        wrong, plane = not whole, plane.astype(np.int64) if whole else plane
    low, high = (int(plane.min()), int(plane.max())) if plane.size and not wrong else (0, 0)
    if low == -1:
        plane = plane.astype(np.int64) + 1
        low, high = 0, high + 1
    if wrong or low < 0 or high > 2**31 - 1:
        raise BadAnnotations(
            f"{path.name} has values that are not labels (integers from 0 to 2,147,483,647). Is it an image?"
        )
    return plane


def flat(result: Result, advance: Advance = silent) -> np.ndarray:
    """The shown cells as (..., H, W) labels, the top-most at each pixel; uint16 if the ids fit, else int32."""
    narrow = max((c.id for c in result), default=0) <= np.iinfo(np.uint16).max
    stack = np.zeros((*result.leading, *result.shape), np.uint16 if narrow else np.int32)
    done, total = 0, len(result)
    for index, plane in result.planes.items():
        label_image(result.visible(index), out=stack[index], advance=part_of(advance, done, total))
        done += len(plane)
    return stack


def write(path: Path, results: Sequence[Result], advance: Advance = silent) -> None:
    """Write a TIFF of labels, without the pixels under other cells."""
    import tifffile

    (result,) = results
    stack = flat(result, advance)
    axes = "TZYX"[-stack.ndim :] if stack.ndim <= 4 else None
    with whole_file(path) as part:
        tifffile.imwrite(part, stack, compression="zlib", photometric="minisblack", metadata={"axes": axes})
