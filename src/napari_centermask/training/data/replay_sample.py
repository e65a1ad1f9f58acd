"""Of a model's sample of training data, what means by its cells the same as the data that the model is fine-tuned on.

Needs no torch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from napari_centermask.core.counted import counted_category, singular
from napari_centermask.core.image_kind import KINDS, Kind, listed
from napari_centermask.io.coco.annotated import read_annotated
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.files import link_file

OUTLINED, KIND = "outlined", "kind"
"""Fields of an image in a sample: what was outlined in it, as its category may be called otherwise, and its `core.image_kind`."""


@dataclass(frozen=True)
class ReplaySample:
    """A sample of the data that a model was trained on, or a part of it.

    A model like `cells` finds whole cells in some kinds of images and nuclei in others, and calls both cells. Its sample says of
    each image what was outlined there (`OUTLINED`).
    """

    train: tuple[ImageRecord, ...]
    val: tuple[ImageRecord, ...]

    @classmethod
    def read(cls, folder: Path) -> ReplaySample:
        """The sample in a folder, as `registry.replay_of` finds it."""
        train, val = (
            tuple(read_annotated(folder / f"annotations_{split}.json", images_root=folder / "images"))
            for split in ("train", "val")
        )
        return cls(train, val)

    @property
    def images(self) -> tuple[ImageRecord, ...]:
        """All images."""
        return self.train + self.val

    @property
    def meanings(self) -> frozenset[str]:
        """What its cells are, and what they are called, in the singular and in small letters."""
        called = {singular(name) for record in self.images for name in record.instances.categories.values()}
        return frozenset(called.union(*map(_meanings, self.images)))

    def fitting(self, category: str, kinds: Collection[Kind]) -> ReplaySample:
        """The part that does not contradict data of a single category.

        An image in which something else was outlined is left out if the data have images of its kind, too: there, it would be
        an example of the opposite. Those of other kinds stay, so that the model does not forget them.

        Parameters
        ----------
        category
            What the data call their cells.
        kinds
            Of the images of the data; with none, all in which something else was outlined are left out.
        """
        train, val = (tuple(r for r in records if _fits(r, category, kinds)) for records in (self.train, self.val))
        return ReplaySample(train, val)

    def about_left_out(self, part: ReplaySample) -> str:
        """What a part of this sample is without, in words."""
        rest = [record for record in self.images if record not in part.images]
        kinds = listed([kind for kind in KINDS if kind in {r.extra.get(KIND) for r in rest}] or list(KINDS))
        names = sorted(set().union(*map(_meanings, rest)))
        others = " and ".join(counted_category(2, name).partition(" ")[2] for name in names)
        return f"{len(rest)} of its {len(self.images)} images: {kinds}, as in your data, but with outlines of {others}"

    def write(self, folder: Path) -> None:
        """Write it as a folder of data; images are linked if the file system allows it, else copied."""
        (folder / "images").mkdir(parents=True)
        for record in self.images:
            link_file(Path(record.path or ""), folder / "images" / record.file_name)
        write_coco(folder / "annotations_train.json", self.train)
        write_coco(folder / "annotations_val.json", self.val)


def _meanings(record: ImageRecord) -> set[str]:
    """What the cells of an image are: what it says, else what they are called."""
    outlined = record.extra.get(OUTLINED)
    names = [outlined] if isinstance(outlined, str) else record.instances.categories.values()
    return {singular(name) for name in names}


def _fits(record: ImageRecord, category: str, kinds: Collection[Kind]) -> bool:
    if _meanings(record) <= {singular(category)}:
        return True
    kind = record.extra.get(KIND)
    return bool(kinds) and kind is not None and kind not in kinds
