"""`classify`: give cells categories and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from napari_centermask import __version__
from napari_centermask.cli.output import busy, check_free, notice, print_json
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadImage
from napari_centermask.core.left_out import LeftOut
from napari_centermask.io.run_file import RunFile, stamp

if TYPE_CHECKING:
    from napari_centermask.engines.classifier import ClassifierEngine
    from napari_centermask.io.coco.image_record import ImageRecord

Flag = Annotated[bool, Parameter(negative=())]


def classify(
    cells: Path,
    /,
    *,
    classifier: str = "live-dead",
    images: Path | None = None,
    out: Path = Path("classified.json"),
    engine: str = "auto",
    overwrite: Flag = False,
    json: Flag = False,
) -> int:
    """Classify segmented cells from crops of the image.

    To continue a run that was stopped, give the same command again.

    Cells that somebody accepted or corrected keep their category.

    For example:

      napari-centermask classify segmented/annotations.json --images fields --out classified.json

    Parameters
    ----------
    cells
        COCO file of cells.
    classifier
        A file NAME.classifier.onnx, or a model that includes one.
    images
        Folder of the images; by default the folder of the cells, or images/ in it.
    out
        COCO file to write.
    engine
        openvino, onnx or auto.
    overwrite
        Replace an existing file.
    json
        Print a summary as JSON.
    """
    from napari_centermask.engines.classifier import load_classifier
    from napari_centermask.evaluation.folder import image_name
    from napari_centermask.io.coco.annotated import read_annotated
    from napari_centermask.io.coco.document import write_coco
    from napari_centermask.io.formats.reading import find_image
    from napari_centermask.models.store.classifier_card import find_classifier

    records = read_annotated(cells, images_root=images, say=notice)
    image_paths = [find_image(cells, images, r.file_name) for r in records]
    command: dict[str, Any] = {"command": "classify", "version": __version__, "classifier": classifier}
    command["files"] = [[str(path.resolve()), stamp(path)] for path in (cells, find_classifier(classifier))]
    noted = RunFile(out.parent, command, [out], name=f".{out.name[:200]}.run.jsonl")
    is_ours = noted.is_continued and noted.done.get(_WRITTEN) == stamp(out)
    check_free([out], overwrite=overwrite or is_ours, inputs=[cells, *image_paths])
    with busy(f"Loading {classifier}"):
        loaded = load_classifier(classifier, engine=engine)
    left_out = LeftOut[str](lambda why: notice(f"Error: {why}"))
    out.parent.mkdir(parents=True, exist_ok=True)
    noted.begin()
    done = list(records)  # as they are, unless they are classified
    n_done = 0
    pairs = list(zip(records, image_paths, strict=True))
    try:
        with busy("Classifying") as show:
            for k in left_out.until_stopped(range(len(pairs))):
                show(f"Classifying image {k + 1} of {len(pairs)}")
                with left_out.unless_done(image_name(records[k])):
                    done[k] = _classified(*pairs[k], loaded, noted, images or cells.parent)
                n_done = k + 1
        if left_out and len(left_out.why) == len({image_name(r) for r in records}):
            raise BadImage(f"None of {counted(len(left_out.why), 'image')} can be classified. Nothing is written.")
        write_coco(out, done)
        noted.note(_WRITTEN, stamp(out))
    finally:
        noted.close(finished=n_done == len(records) and not left_out)
    classified = [r for r in done[:n_done] if image_name(r) not in left_out.why]
    counts = _counts(classified, loaded.card.model.categories)
    if json:
        print_json({"images": len(done), "cells": counts, "written": out, "failed": left_out.sentences})
    else:
        print(
            f"{counted(len(done), 'image')}: {', '.join(f'{n} {name}' for name, n in counts.items())}. Written: {out}"
        )
    if left_out:
        notice("The cells of images that failed are written as they were.")
    if left_out.stopped:
        notice(
            f"{n_done} of {counted(len(done), 'image')} are done; the cells of the others are written as they were. "
            "Run the same command again to continue."
        )
        raise KeyboardInterrupt
    return 2 if left_out else 0


_WRITTEN = "written"


def _classified(
    record: ImageRecord, path: Path | None, classifier: ClassifierEngine, noted: RunFile, folder: Path
) -> ImageRecord:
    """The record with classified cells, those of a stopped run if the image is as it was then."""
    import numpy as np

    from napari_centermask.io.coco.document import parse_coco, to_coco
    from napari_centermask.io.images import read_plane
    from napari_centermask.pipeline.classify import classify

    if path is None:
        raise BadImage(f"Image {record.file_name} not found in {folder}. Choose its folder with --images.")
    key, image = f"{record.file_name} {list(record.plane)}", [str(path.resolve()), stamp(path)]
    known = noted.done.get(key)
    if known is not None and known["stamp"] == image:
        (former,) = parse_coco(known["coco"], path)
        return replace(record, instances=former.instances)
    classified = replace(
        record, instances=classify(np.asarray(read_plane(path, record.plane)), record.instances, classifier)
    )
    noted.note(key, {"stamp": image, "coco": to_coco([replace(classified, crowds=())])})
    return classified


def _counts(records: Sequence[ImageRecord], names: Sequence[str]) -> dict[str, int]:
    """The cells of each category."""
    counts = dict.fromkeys(names, 0)
    for record in records:
        for cell in record.instances:
            name = record.instances.categories[cell.category]
            counts[name] = counts.get(name, 0) + 1
    return counts
