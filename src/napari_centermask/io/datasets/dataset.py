"""What a folder of another tool's training data holds: images, the files of their cells, and splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.result import Index

WHOLE = ""
"""The split of folders without any."""


@dataclass(frozen=True)
class Item:
    """An image, or one plane of it, and the file of its cells.

    Attributes
    ----------
    image
        File of the image.
    cells
        File of the cells; None for an image without any.
    plane
        The plane that the cells are on; None for all planes of the file.
    markers
        Label image with a mark in each cell of the image, those without an outline too; None if there is none.
    """

    image: Path
    cells: Path | None
    plane: Index | None = None
    markers: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """A folder of another tool's training data.

    Attributes
    ----------
    folder
        The folder; names of images are relative to it, or to the one above where they lie beside it.
    title
        The tool or the arrangement, for people.
    format
        Name of the format of the cells, as in `formats.READABLE`.
    splits
        The items of train, val and test; of a folder without splits, all under `WHOLE`.
    notes
        What is left out or assumed: sentences.
    """

    folder: Path
    title: str
    format: str
    splits: Mapping[str, Sequence[Item]]
    notes: tuple[str, ...] = ()

    @property
    def split_names(self) -> list[str]:
        """Names of the splits, in the order train, val, test; empty without splits."""
        return [name for name in ("train", "val", "test") if name in self.splits]

    @property
    def example(self) -> str:
        """A file of cells, by its path in the folder."""
        file = next((item.cells for items in self.splits.values() for item in items if item.cells), self.folder)
        return file.relative_to(self.folder).as_posix() if file.is_relative_to(self.folder) else str(file)

    def items(self, split: str | None) -> Sequence[Item]:
        """The items of a split; None for a folder without splits.

        Raises
        ------
        BadAnnotations
            If there is no such split, or there are splits and none is chosen.
        """
        if (split or WHOLE) in self.splits:
            return self.splits[split or WHOLE]
        if not self.split_names:
            raise BadAnnotations(f"{self.folder} has no splits ({self.title}). Leave --split out.")
        what = f"has no split {split!r}" if split else "has several splits"
        raise BadAnnotations(
            f"{self.folder} {what}: it has {', '.join(self.split_names)} ({self.title}). Choose one with --split."
        )
