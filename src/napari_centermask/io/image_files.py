"""Which files of a folder are images; results of segmentation among them are not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadImage
from napari_centermask.io.bio import how_to_read, is_bio, readable
from napari_centermask.io.images import SUFFIXES, read_header, read_image
from napari_centermask.io.scene_paths import exists, file_of, is_zarr_name, split
from napari_centermask.io.scenes import choose, images_of

_RESULT = re.compile(
    r"(.+[_\-. ])?(labels?([_\- ]?(image|img|map)s?)?|(cp_)?masks?|cp_\w+|seg|stardist|simple[_\- ]segmentation"
    r"|object[_\- ](predictions|identities|probabilities)|probabilities)([_\- ]stardist)?"
)
"""Stems of files that this program, Cellpose, StarDist, QuPath and ilastik write beside an image."""
_DERIVED = re.compile(r"classes|errors|flows|outlines|uncertainty|features|instances|segmentation|segmented|overlay")
"""Words that make a result of a file only where the image is there whose name stands before them."""
_BEFORE = re.compile(r"(labels?(?: of)?|masks?|seg|segmentation|stardist)[_\-. ](.+)")
_OWN = {"flat_field", "overlay"}
_WAY = " Name a file itself to use it."
_GAPS = "_-. "
# Of neighbouring pixels that are not 0, how many are equal in a label image: a choice; within a cell all are, in a photograph
# few.
_SIMILAR = 0.9


@dataclass(frozen=True)
class FolderImages:
    """The images and results in a folder.

    Attributes
    ----------
    images
        In natural order: a2 before a10.
    results
        Label images, masks and other files that were made from images.
    dangling
        Links with the name of an image that lead nowhere.
    unread
        Microscopes' files for which the package is missing that reads them.
    """

    folder: Path
    images: tuple[Path, ...]
    results: tuple[Path, ...]
    dangling: tuple[Path, ...] = ()
    unread: tuple[Path, ...] = ()

    @property
    def note(self) -> str:
        """Which results are left out, in a sentence; empty if none are."""
        if not self.results:
            return ""
        return f"Left out of {self.folder.name}: {counted(len(self.results), 'result')} of segmentation {_few(self.results)}."

    @property
    def missing(self) -> str:
        """Which files need another package, and how to install it; empty if none do."""
        if not self.unread:
            return ""
        n, command = counted(len(self.unread), "file"), how_to_read(self.unread[0].suffix.lower())
        return f"Left out of {self.folder.name}: {n} of microscopes {_few(self.unread)}. To read them: {command}"

    @property
    def broken(self) -> str:
        """Which links lead nowhere, in a sentence; empty if none do."""
        if not self.dangling:
            return ""
        n = counted(len(self.dangling), "link")
        return f"Left out of {self.folder.name}: {n} to files that do not exist {_few(self.dangling)}."


def _few(paths: Sequence[Path]) -> str:
    return f"({', '.join(p.name for p in paths[:3])}{', ...' if len(paths) > 3 else ''})"


def images_in(folder: Path) -> FolderImages:
    """The images directly in a folder, and the results among them; subfolders are ignored."""
    named = sorted((p for p in folder.iterdir() if _is_named_image(p)), key=natural)
    files = [p for p in named if p.is_file()]
    unread = tuple(p for p in files if is_bio(p) and p.suffix.lower() not in readable())
    files = [p for p in files if p not in unread]
    left = [p for p in files if not _is_named_result(p)]
    stems = {_stem(p) for p in left}
    images = [p for p in left if not _is_derived(p, stems - {_stem(p)})]
    dangling = tuple(p for p in named if p.is_symlink() and not p.exists())
    return FolderImages(folder, tuple(images), tuple(p for p in files if p not in images), dangling, unread)


def image_files(
    path: Path, say: Callable[[str], None] = lambda text: None, *, scenes: Sequence[str] | None = None
) -> list[Path]:
    """An image file itself, whatever its name, the images in it if it holds several, or those of a folder.

    Parameters
    ----------
    scenes
        Names or numbers of the images to take from a file that holds several; by default all.
    say
        Called with sentences about results, and links that lead nowhere, that are left out.

    Raises
    ------
    BadImage
        If there is none.
    """
    if path.is_dir() and not is_zarr_name(file_of(path)):
        files = _files_of(path, say)
        return [image for file in files for image in _images(file, scenes, only_ours=True)]
    if not exists(path):
        raise BadImage(f"{path} does not exist. Choose an image file or a folder of images.")
    return _images(path, scenes)


def _files_of(path: Path, say: Callable[[str], None]) -> tuple[Path, ...]:
    folder = images_in(path)
    said = [folder.note and folder.note + _WAY, folder.broken, folder.missing]
    if not folder.images:
        raise BadImage(
            " ".join(
                [f"{path} has no images ({', '.join(sorted(SUFFIXES))}). Choose another folder.", *filter(None, said)]
            )
        )
    for text in filter(None, said):
        say(text)
    return folder.images


def _images(file: Path, scenes: Sequence[str] | None, *, only_ours: bool = False) -> list[Path]:
    """The chosen images of a file; of files in folders, only microscopes' are looked into, as there may be many."""
    if only_ours and not is_bio(file):
        return [file]
    if scenes and not split(file)[1]:
        return choose(file, scenes)
    if file.suffix.lower() not in SUFFIXES and not is_zarr_name(file):
        return [file]
    return images_of(file)


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key with a2 before a10."""
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in re.split(r"(\d+)", path.name.casefold())]


def _is_named_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _stem(path: Path) -> str:
    return path.stem.casefold().removesuffix(".ome")


def _is_named_result(path: Path) -> bool:
    stem = _stem(path)
    return stem in _OWN or bool(_RESULT.fullmatch(stem))


def _is_derived(path: Path, stems: Iterable[str]) -> bool:
    """Whether a file's name contains that of an image beside it, and its name or pixels show that it is a result."""
    stem = _stem(path)
    before = _BEFORE.fullmatch(stem)
    if before is not None and (before[2] in stems or Path(before[2]).stem in stems):  # "labels of i.tif" of QuPath
        return True
    rest = {stem[len(s) + 1 :] for s in stems if stem.startswith(s) and stem[len(s) : len(s) + 1] in _GAPS}
    rest.discard("")
    return any(_DERIVED.search(r) for r in rest) or (bool(rest) and _looks_like_labels(path))


def _looks_like_labels(path: Path) -> bool:
    """Whether an image consists of areas of one whole number on zero, as no camera takes."""
    try:
        header = read_header(path)
        if header.data.dtype.kind not in "iub" or set(header.axes) & set("SC"):
            return False
        plane = np.asarray(next(read_image(path).planes())[1][0])
    except (BadImage, OSError, ValueError, MemoryError):
        return False
    inside = (plane[:, :-1] != 0) & (plane[:, 1:] != 0)
    same = inside & (plane[:, :-1] == plane[:, 1:])
    return not plane.all() and bool(inside.any()) and float(same.sum() / inside.sum()) >= _SIMILAR
