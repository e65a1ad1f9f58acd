"""Pseudo-labels: images without annotations, with the cells of which a model is sure as their truth. Needs no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadImage
from napari_centermask.core.instances import Instances
from napari_centermask.core.left_out import LeftOut
from napari_centermask.engines import AnyEngine
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.files import link_file
from napari_centermask.io.image_files import image_files
from napari_centermask.io.images import read_image
from napari_centermask.io.scene_paths import file_of, split
from napari_centermask.pipeline import PlaneCells, Progress, planes_of, segment_planes
from napari_centermask.pipeline.channels import named
from napari_centermask.settings import LOWEST_SCORE, SegmentSettings, TrainSettings

FOLDER = "unlabelled"
"""In the run folder: a data folder like others, with the images and what the model found in them."""
_SURE_MASK = 0.7  # predicted IoU of a mask from which on it is good enough to be copied: a choice


@dataclass(frozen=True)
class Counts:
    """What became of the images.

    Attributes
    ----------
    images
        Planes that are used.
    empty
        Planes without a sure cell, which are not: they might show cells that the model does not see.
    sure, doubtful
        Cells that are truth, and places that are neither cells nor background.
    """

    images: int
    empty: int
    sure: int
    doubtful: int

    @property
    def sentence(self) -> str:
        """For people."""
        text = (
            f"Of {counted(self.images + self.empty, 'unlabelled image')}, {self.images} "
            f"{'is' if self.images == 1 else 'are'} used: the model is sure of {counted(self.sure, 'cell')}, and "
            f"{counted(self.doubtful, 'low-confidence one')} {'is' if self.doubtful == 1 else 'are'} ignored."
        )
        return text + (
            f" {self.empty} without a sure cell {'is' if self.empty == 1 else 'are'} left out." * bool(self.empty)
        )


def labelled_folder(settings: TrainSettings) -> Path | None:
    """The data folder with the pseudo-labels of a run; None if there are none, or not yet."""
    folder = settings.out / FOLDER
    return folder if settings.unlabelled and (folder / "annotations_train.json").is_file() else None


def label_images(
    settings: TrainSettings, engine: AnyEngine, left_out: LeftOut[str]
) -> Generator[Progress, None, Counts]:
    """Segment the unlabelled images of a run and write them as a data folder; yields between tiles.

    Cells from `unlabelled_score` on, with a good mask, are truth. Candidates below it are written as crowd regions, which are
    neither cells nor background. All else counts as background.

    Parameters
    ----------
    left_out
        Collects images that cannot be read or segmented.

    Raises
    ------
    BadImage
        If the model is not sure of a cell in any of them, or all of them are annotated.
    """
    out = settings.out / FOLDER
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "annotations_train.json").unlink(missing_ok=True)  # of an earlier run that ended before its first checkpoint
    files = _without_annotated([f for folder in settings.unlabelled for f in image_files(Path(folder))], settings)
    records: list[ImageRecord] = []
    empty = 0
    for number, file in enumerate(files):
        holder, scene = split(file)
        linked = f"{number:05d}_{holder.name}"  # folders may have images of the same name
        name = f"{linked}/{scene}" if scene else linked
        with left_out.unless_done(str(file)):
            if holder.is_dir():
                raise BadImage(f"{file} is in an OME-Zarr, which unlabelled images cannot be. Save it as OME-TIFF.")
            found = yield from _planes(file, name, settings, engine)
            kept = [record for record in found if len(record.instances)]
            empty += len(found) - len(kept)
            if kept:
                link_file(holder, out / "images" / linked)
                records += kept
    if not records:
        why = f" {left_out.sentences[0]}" if left_out else ""
        raise BadImage(
            f"The model is not sure of any cell in the {counted(len(files), 'unlabelled image')}.{why} "
            "Lower unlabelled_score, or leave 'unlabelled' out."
        )
    write_coco(out / "annotations_train.json", [replace(r, id=n) for n, r in enumerate(records, start=1)])
    return count(records, empty=empty)


def _without_annotated(files: Sequence[Path], settings: TrainSettings) -> list[Path]:
    """The files that are no copies of annotated images: these have a truth, and some of them are held out to judge the model."""
    images = (Path(folder) / "images" for folder in (*settings.data, *settings.replay))
    annotated = [path for folder in images if folder.is_dir() for path in folder.iterdir() if path.is_file()]
    sizes = {file_of(file).stat().st_size for file in files}
    known = {_digest(path) for path in annotated if path.stat().st_size in sizes}
    left = [file for file in files if not known or file.is_dir() or _digest(file_of(file)) not in known]
    if not left:
        raise BadImage("All images in 'unlabelled' are in the annotated data, too. Choose a folder of other images.")
    return left


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def count(records: Sequence[ImageRecord], *, empty: int = 0) -> Counts:
    """Count the cells of pseudo-labelled images."""
    sure, doubtful = sum(len(r.instances) for r in records), sum(len(r.crowds) for r in records)
    return Counts(len(records), empty, sure, doubtful)


def read_labelled(folder: Path) -> list[ImageRecord]:
    """The images of a folder that was written earlier."""
    return read_coco(folder / "annotations_train.json", images_root=folder / "images")


def _planes(
    file: Path, name: str, settings: TrainSettings, engine: AnyEngine
) -> Generator[Progress, None, list[ImageRecord]]:
    """The planes of an image, as a person would have annotated them as far as the model is sure."""
    image = read_image(file)
    own = named(SegmentSettings(preprocess=settings.preprocess.microscope), image.channel_names)
    records: list[ImageRecord] = []
    for step in segment_planes(planes_of(image), engine, own, min_score=LOWEST_SCORE):
        if not isinstance(step, PlaneCells):
            yield step
            continue
        if step.problem:
            continue
        sure = [c for c in step.cells if c.score >= settings.unlabelled_score and c.mask_quality >= _SURE_MASK]
        ids = {cell.id for cell in sure}
        truth = Instances(step.cells.shape, sure, categories=step.cells.categories)
        doubtful = tuple(cell for cell in step.cells if cell.id not in ids)
        record = ImageRecord(len(records) + 1, name, file, truth.shape, truth, crowds=doubtful)
        records.append(replace(record, plane=step.plane.index, leading=image.leading))
    return records
