"""Which files a command reads, and the names of what it writes for each: no two alike."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from glob import glob, has_magic
from pathlib import Path

from napari_centermask.cli.output import notice
from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.io.image_files import image_files, natural
from napari_centermask.io.large_cells import LargePlaces
from napari_centermask.io.scene_paths import flat, split


@dataclass(frozen=True)
class ImageFiles:
    """One image, what COCO calls it, and where its labels and its class image go.

    Attributes
    ----------
    stem
        The names of its own files begin with it.
    large
        Where its cells go instead if it is read tile by tile.
    """

    image: Path
    name: str
    stem: str
    labels: Path | None
    classes: Path | None = None
    large: LargePlaces | None = None

    @property
    def outputs(self) -> list[Path]:
        """The files that are written for it."""
        places = () if self.large is None else (self.large.cells, self.large.table)
        return [p for p in (self.labels, self.classes, *places) if p is not None]

    def absolute(self) -> ImageFiles:
        """For a process that works in another folder."""
        labels, classes = (None if p is None else _absolute(p) for p in (self.labels, self.classes))
        large = self.large and LargePlaces(_absolute(self.large.cells), _absolute(self.large.table))
        return replace(self, image=_absolute(self.image), labels=labels, classes=classes, large=large)


def plan(images: list[Path], out: Path, formats: list[str], *, scenes: Sequence[str] | None = None) -> list[ImageFiles]:
    """Which files are read and written.

    Images of one name in different folders get the names of as many folders in front as tell them apart, those of one
    name but for the ending keep it: `i.png_labels.tif`.

    Parameters
    ----------
    scenes
        As in `image_files`.

    Raises
    ------
    BadImage
        If a path does not exist, or a folder holds no image.
    BadSettings
        If an image is given twice.
    """
    files = [f for path in images for f in _files_of(path, scenes)]
    places = list(map(_absolute, files))
    if len(set(places)) < len(places):
        twice = next(p for p, n in Counter(places).items() if n > 1)
        raise BadSettings(f"{twice} is given twice. Leave one out.")
    names = output_names(files)
    coco = ["/".join(parts) for parts in _distinct(list(map(_parts, places)))]
    return [
        ImageFiles(f, own, n, _place(out, n, "labels", formats), _place(out, n, "classes", formats))
        for f, own, n in zip(files, coco, names, strict=True)
    ]


def _place(out: Path, name: str, kind: str, formats: Sequence[str]) -> Path | None:
    return out / f"{name}_{kind}.tif" if kind in formats else None


def _files_of(path: Path, scenes: Sequence[str] | None) -> list[Path]:
    """The images of a path, or of all files of a pattern, which Windows hands over as it is.

    A file of a pattern that cannot be read is left to its turn, as in a folder: it does not stop the others.
    """
    if path.exists() or not has_magic(str(path)):
        return image_files(path, notice, scenes=scenes)
    found = sorted(map(Path, glob(str(path), recursive=True)), key=natural)
    return [image for one in found for image in _if_readable(one, scenes)] or image_files(path, notice)


def _if_readable(path: Path, scenes: Sequence[str] | None) -> list[Path]:
    try:
        return image_files(path, notice, scenes=scenes)
    except BadImage:
        return [path]


def output_names(files: list[Path]) -> list[str]:
    """A name for the output of each image: its stem, with more of its path where others have the same."""
    places = [flat(p) for p in map(_absolute, files)]
    bare = [str(p.with_suffix("")).casefold() for p in places]
    counts = Counter(bare)
    parts = [(*p.parts[1:-1], p.stem if counts[b] == 1 else p.name) for p, b in zip(places, bare, strict=True)]
    names: list[str] = []
    taken: set[str] = set()
    for name in map("_".join, _distinct(parts)):
        free = next(
            n for k in range(1, len(files) + 1) if (n := name if k == 1 else f"{name}_{k}").casefold() not in taken
        )
        taken.add(free.casefold())
        names.append(free)
    return names


def _parts(path: Path) -> tuple[str, ...]:
    """The folders and the file of an image, with its scene."""
    file, scene = split(path)
    return (*file.parts[1:-1], f"{file.name}/{scene}" if scene else file.name)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # links keep their names


def _distinct(paths: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The last parts of each path, as many as no other path ends with."""
    folded = [tuple(part.casefold() for part in path) for path in paths]
    length = dict.fromkeys(range(len(paths)), 1)
    while True:
        ends = {k: folded[k][-n:] for k, n in length.items()}
        counts = Counter(ends.values())
        alike = [k for k, end in ends.items() if counts[end] > 1 and length[k] < len(paths[k])]
        if not alike:
            return [paths[k][-n:] for k, n in length.items()]
        length |= {k: length[k] + 1 for k in alike}
