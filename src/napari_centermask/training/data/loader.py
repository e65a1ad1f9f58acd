"""Batches of training tiles from annotated folders: decoded once, cropped and augmented by worker processes.

Images and cells are decoded into memory; those beyond `images_in_memory_mb` into files, from which each tile reads its part.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.normalise import intensity_range
from napari_centermask.io.coco.annotated import read_annotated
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.images import read_channel_names, read_plane
from napari_centermask.io.reviewed import Truth, truths_of
from napari_centermask.io.scene_paths import file_of
from napari_centermask.settings import SegmentSettings, TrainSettings
from napari_centermask.training.data.image_store import DECODED, ImageStore
from napari_centermask.training.data.inputs import for_sampler, prepared, stored, with_cells_stored
from napari_centermask.training.data.parts import TrainBatch, TrainingParts, parts_of
from napari_centermask.training.data.pseudo_labels import labelled_folder
from napari_centermask.training.data.sample import Sample
from napari_centermask.training.data.sampler import TileSampler
from napari_centermask.training.data.scales import levels_of

if TYPE_CHECKING:
    from torch.utils.data import DataLoader, Dataset

PERCENTILES = SegmentSettings.model_fields["percentiles"].default


def annotation_file(folder: Path, split: str | None) -> Path:
    """`annotations_<split>.json` of a data folder, or `annotations.json` without a split.

    Raises
    ------
    BadAnnotations
        If it does not exist.
    """
    path = Path(folder) / (f"annotations_{split}.json" if split else "annotations.json")
    if not path.is_file():
        raise BadAnnotations(f"There are no annotations at {path}. {_instead(path.parent)}")
    return path


def _instead(folder: Path) -> str:
    """What to do with a data folder that lacks its annotations."""
    names = sorted(path.name for path in folder.glob("annotations*.json"))
    there = f"The folder has {', '.join(names)}. " if names else ""
    return f"{there}Export COCO there, or choose another folder."


def judging(folders: Sequence[Path]) -> list[Path]:
    """The data folders with `annotations_val.json`; those without are only used for training.

    If no folder has it, all are returned, so that reading one raises the error.
    """
    paths = [Path(folder) for folder in folders]
    return [path for path in paths if (path / "annotations_val.json").is_file()] or paths


def load_split(folder: Path, split: str, store: ImageStore | None = None) -> list[Sample]:
    """All images and cells of one split, as `read_split` gives them.

    Parameters
    ----------
    store
        Decides which of the decoded images and of their cells stay in memory; if it is not given, all images do.
    """
    if store is None:
        return list(read_split(folder, split))
    return [with_cells_stored(stored(sample, store), store) for sample in read_split(folder, split)]


def read_split(folder: Path, split: str) -> Iterator[Sample]:
    """Decode the images of one split one after the other; images without any review are left out.

    Parameters
    ----------
    folder
        Holds images/ and annotations_<split>.json (COCO).

    Raises
    ------
    BadAnnotations, BadImage
        If a file is missing or cannot be read.
    """
    for record, truth in truths_of(_records(Path(folder), split)):
        yield _decoded(Path(folder).name, record, truth)


def validation_images(folder: Path, most: int, store: ImageStore) -> list[Sample]:
    """Whole images with their cells, for evaluation by AP: at most so many of `val`, evenly spaced."""
    records = _records(Path(folder), "val")
    places = [
        n for n, (_, truth) in enumerate(truths_of(records)) if truth.reviewed != ()
    ]  # else none could count as wrong
    chosen = set(places[:: max(1, -(-len(places) // most))])
    known = (one for n, one in enumerate(truths_of(records)) if n in chosen)
    return [with_cells_stored(stored(_decoded(Path(folder).name, *one), store), store) for one in known]


def _records(folder: Path, split: str) -> list[ImageRecord]:
    return read_annotated(annotation_file(folder, split), images_root=folder / "images")


def _decoded(folder: str, record: ImageRecord, truth: Truth) -> Sample:
    image = np.asarray(read_plane(record.path, record.plane))
    if image.dtype not in (np.uint8, np.uint16):
        image = image.astype(np.float32)
    if image.shape[1:] != record.instances.shape:
        raise BadAnnotations(
            f"{record.path.name} is annotated as {record.instances.shape} (height, width), but "
            f"it has {image.shape[1:]}. Correct the size in the annotation file."
        )
    lo, hi = intensity_range(image, PERCENTILES)
    names = tuple(read_channel_names(record.path) or ())
    about = file_of(record.path).stat()
    source = f"{record.path.resolve()} {about.st_mtime_ns} {about.st_size} {record.plane}"
    where = folder, record.path.name
    return Sample(image, truth.instances, lo, hi, *where, truth.reviewed, truth.doubtful, names, source)


def folders_by_name(folders: Sequence[Path]) -> dict[str, Path]:
    """Folders by name; further folders of the same name get a number."""
    names = [Path(folder).name for folder in folders]
    counts = [names[: n + 1].count(name) for n, name in enumerate(names)]
    return {f"{name} {n}" if n > 1 else name: Path(f) for name, n, f in zip(names, counts, folders, strict=True)}


class _Endless:
    """Every `stride`-th tile number from `start` on, endlessly: the run decides when to stop."""

    def __init__(self, start: int, stride: int) -> None:
        self.start, self.stride = start, stride

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self.start, self.stride)


class _Targets:
    """The tiles of a sampler as targets for a family's network."""

    def __init__(self, tiles: TileSampler, parts: TrainingParts) -> None:
        self.tiles, self.parts = tiles, parts

    def __getitem__(self, index: int) -> object:
        """The target of tile number `index` of the endless sequence."""
        return self.parts.target(self.tiles[index])


def _start_worker(_number: int) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    # torchrun sends SIGTERM to the whole group. torch takes a worker that a signal has ended for a crash, and raises that in
    # the process that is saving the state of the run.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


def tiles_of(settings: TrainSettings, *, split: str = "train") -> TileSampler:
    """The endless sequence of tiles of a run: data and replay folders decoded, corrected and augmented.

    Pseudo-labelled images come last, as far as the run has made them; see `pseudo_labels`.

    Raises
    ------
    BadAnnotations, BadImage, BadSettings
        If a file cannot be used, or the channels do not fit.
    """
    folders = [*settings.data, *settings.replay]
    known = settings.model_copy(update={"preprocess": settings.preprocess.portable})  # flat field of another microscope
    prepare = [settings] * len(settings.data) + [known] * len(settings.replay)
    if split == "train" and (labelled := labelled_folder(settings)) is not None:
        folders, prepare = [*folders, labelled], [*prepare, settings]
    store = ImageStore(settings.out / DECODED, settings.images_in_memory_mb)
    samples = [
        prepared(load_split(folder, split, store), how, store) for folder, how in zip(folders, prepare, strict=True)
    ]
    annotated = samples[: len(settings.data) + len(settings.replay)]
    levels = levels_of(([sample.instances for sample in folder] for folder in annotated), settings)
    return TileSampler(samples, for_sampler(settings), levels)


def batches(
    settings: TrainSettings,
    *,
    split: str = "train",
    seed: int | None = None,
    batch: int | None = None,
    start_tile: int = 0,
    share: tuple[int, int] = (0, 1),
) -> DataLoader[TrainBatch]:
    """An endless loader of `TrainBatch`.

    Tile k is the same whatever the number of workers, so that a resumed run (`start_tile`) continues where it stopped.

    Parameters
    ----------
    split
        Which annotations to draw from.
    seed
        Overrides `settings.seed`.
    batch
        Tiles per step; overrides `settings.batch`.
    start_tile
        Number of tiles to skip.
    share
        Number of this process and of all processes: each takes its share of the tiles.
    """
    from torch.utils.data import DataLoader

    if seed is not None:
        settings = settings.model_copy(update={"seed": seed})
    sampler, parts = tiles_of(settings, split=split), parts_of(settings.model)
    return DataLoader(
        cast(
            "Dataset[TrainBatch]", _Targets(sampler, parts)
        ),  # not a subclass, as torch is not imported with this module
        batch_size=batch or settings.batch,
        sampler=_Endless(start_tile + share[0], share[1]),
        num_workers=settings.workers,
        collate_fn=parts.collate,
        persistent_workers=bool(settings.workers),
        multiprocessing_context=("fork" if hasattr(os, "fork") else "spawn") if settings.workers else None,
        prefetch_factor=3 if settings.workers else None,  # a choice: a slow tile delays no step
        worker_init_fn=_start_worker,
    )
