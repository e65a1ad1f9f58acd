"""What a card says about the training data: hashes, places, and sizes of the cells."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_centermask.core.image_kind import KINDS, Kind
from napari_centermask.core.instances import Instances
from napari_centermask.io.coco.annotated import read_annotated
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.reviewed import is_partial, truth_of
from napari_centermask.io.trained_on import TrainedOn, fingerprint, merged, places_of
from napari_centermask.pipeline.kinds import file_kind, some_of
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.loader import annotation_file, folders_by_name, judging
from napari_centermask.training.data.pseudo_labels import count, labelled_folder, read_labelled
from napari_centermask.training.data.scales import levels_of, usual_diameters

_COUNTS = 0.2  # of these that a kind needs, so that a single odd image does not count: a choice


def data_facts(settings: TrainSettings, before: TrainedOn) -> dict[str, Any]:
    """What a card keeps about a model's data, under `training`.

    Parameters
    ----------
    settings
        Their `data`, and `replay`, data that the start model was trained on.
    before
        What its start model was trained on.

    Returns
    -------
    dict
        "data": hashes, see `data_hashes`; "learned": all places that the model was trained on, see `io.trained_on`;
        "images": the kinds of images, see `core.image_kind`;
        "diameters": {category: 10th, 50th and 90th percentile of the diameters in image pixels}, of `data` only;
        "unlabelled": the counts of the pseudo-labelled images, if there are some;
        "levels": see `scales.levels_of`, as `ModelCard.levels` reads them; only if there are several.
    """
    trained_on, images, kinds = before, list[Iterable[Instances]](), set[Kind]()
    for folder in map(Path, (*settings.data, *settings.replay)):
        records = read_annotated(annotation_file(folder, "train"), images_root=folder / "images")
        trained_on = merged(trained_on, places_of(records))
        kinds |= image_kinds(records)
        images.append(_Cells(records))
    pseudo: dict[str, Any] = {}
    if (labelled := labelled_folder(settings)) is not None:
        records = read_labelled(labelled)
        trained_on = merged(trained_on, places_of(records))
        counts = asdict(count(records))
        del counts["empty"]  # such images are not in the folder
        pseudo = {"unlabelled": counts}
    known = usual_diameters(cells for folder in images[: len(settings.data)] for cells in folder)
    hashes = data_hashes([*settings.data, *settings.replay])
    facts = {
        "data": hashes,
        "learned": dict(trained_on),
        "diameters": known,
        "images": [k for k in KINDS if k in kinds],
    }
    levels = levels_of(images, settings)
    rows = [{"categories": list(level.categories), "diameter": round(level.diameter, 1)} for level in levels]
    return facts | ({"levels": rows} if rows else {}) | pseudo


class _Cells:
    """The right cells of each image, those of one at a time."""

    def __init__(self, records: Sequence[ImageRecord]) -> None:
        self.records, self.partial = records, is_partial(records)

    def __iter__(self) -> Iterator[Instances]:
        return (truth_of(record, partial=self.partial).instances for record in self.records)


def image_kinds(records: Sequence[ImageRecord]) -> set[Kind]:
    """The kinds of the images in a folder, by a look at some of them."""
    found, n_seen = count_kinds(records)
    return {kind for kind, n in found.items() if n >= _COUNTS * n_seen}


def count_kinds(records: Sequence[ImageRecord]) -> tuple[Counter[Kind], int]:
    """How many of some images, evenly drawn from a folder, are of each kind, and at how many it looked."""
    some = some_of([r.path for r in records if r.path is not None])
    found = [file_kind(path) for path in some]
    return Counter(kind for kind in found if kind), len(some)


def data_hash(folder: Path, split: str) -> str:
    """SHA-256 (hex) over the annotation file and the bytes of its images in the order of their names."""
    path = annotation_file(folder, split)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    records = read_annotated(path, images_root=Path(folder) / "images")
    for record in sorted(records, key=lambda r: r.file_name):
        digest.update(record.file_name.encode())
        digest.update(_content(Path(record.path or "")))
    return digest.hexdigest()


def _content(image: Path) -> bytes:
    """The bytes of an image's file; of an image in a file with several, or in an OME-Zarr, what stands for them."""
    return image.read_bytes() if image.is_file() else fingerprint(image).encode()


def data_hashes(folders: Sequence[Path]) -> dict[str, dict[str, str]]:
    """`data_hash` of train and, if there is one, val: {name of the folder: {split: hash}}."""
    judged = judging(folders)
    return {
        name: {s: data_hash(f, s) for s in ("train", "val") if s == "train" or f in judged}
        for name, f in folders_by_name(folders).items()
    }
