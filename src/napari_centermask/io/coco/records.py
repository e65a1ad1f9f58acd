"""From the cells of an image to its COCO records, one for each plane, and back without loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Index, Result
from napari_centermask.io.coco.image_record import ImageRecord


def records_of(
    result: Result,
    file_name: str,
    *,
    first_id: int = 1,
    path: Path | None = None,
    extra: dict[str, Any] | None = None,
    shown: bool = False,
    crowds: Mapping[Index, Sequence[Instance]] = MappingProxyType({}),
) -> list[ImageRecord]:
    """One record for each plane that was segmented, drawn on or reviewed, or has crowd regions; at least one.

    Parameters
    ----------
    first_id
        Id of the first record; the others follow.
    extra
        Other fields of the image, for all its records.
    shown
        Only the cells that are shown, for training and other programs. By default all, so that nothing is lost.
    crowds
        Crowd regions by plane, as in `ImageRecord`.
    """
    indices = sorted({*result.planes, *result.reviewed_planes, *crowds}) or [(0,) * len(result.leading)]
    return [
        ImageRecord(
            first_id + n,
            file_name,
            path,
            result.shape,
            result.visible(index) if shown else _named(result, index),
            dict(extra or {}),
            plane=index,
            leading=result.leading,
            reviewed=result.reviewed(index),
            last_id=result.last_id,
            threshold=result.threshold,
            seams=result.seams.get(index, ((), ())),
            crowds=tuple(crowds.get(index, ())),
        )
        for n, index in enumerate(indices)
    ]


def _named(result: Result, index: tuple[int, ...]) -> Instances:
    """The plane's cells with the names of all present categories of the result."""
    cells = result.plane(index)
    if cells.categories == result.categories:
        return cells
    return Instances(cells.shape, cells, categories=result.categories, are_checked=True)


def by_image(records: Iterable[ImageRecord]) -> dict[str, list[ImageRecord]]:
    """Group the records of the planes of one file, in the order of the file; records without a name stay alone."""
    images: dict[str, list[ImageRecord]] = {}
    for record in records:
        images.setdefault(record.file_name or f"image {record.id}", []).append(record)
    return images


def result_of(records: list[ImageRecord], *, name: str | None = None) -> Result:
    """The cells of one image from the records of its planes.

    Ids are kept unless two planes use the same one; then all get new ids.

    Raises
    ------
    BadAnnotations
        If the records are not different planes of one image.
    """
    first = records[0]
    leading = tuple(map(max, zip(*(r.leading for r in records), strict=True))) if _alike(records) else None
    if leading is None or len({r.plane for r in records}) < len(records):
        raise BadAnnotations(
            f"Expected the records of {first.file_name!r} to be different planes of one image, of one size. "
            "Import the file into a project, which repairs this."
        )
    result = Result(first.shape, leading=leading, threshold=first.threshold, name=name or first.file_name or "image")
    ids = [cell.id for record in records for cell in record.instances]
    for record in records:
        result.put(record.plane, record.instances, keep_ids=len(set(ids)) == len(ids))
        result.set_reviewed(record.plane, record.reviewed)
        if any(record.seams):
            result.seams[record.plane] = record.seams
    result.reserve(max(r.last_id for r in records))
    return result


def _alike(records: list[ImageRecord]) -> bool:
    return len({(r.shape, len(r.leading)) for r in records}) == 1


def with_name(record: ImageRecord, file_name: str, *, id: int, path: Path | None = None) -> ImageRecord:
    """The record with another name and id, for files that hold a part of a project."""
    return replace(record, id=id, file_name=file_name, path=path)
