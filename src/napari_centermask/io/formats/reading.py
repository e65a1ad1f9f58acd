"""The result of a reader, and the limits that every reader enforces."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_centermask.core.errors import BadAnnotations, reason
from napari_centermask.core.result import Result
from napari_centermask.io.scene_paths import HOLDERS, exists

if TYPE_CHECKING:
    from napari_centermask.io.image_data import ImageData

LARGEST_PLANE = 1 << 30
"""Pixels of a plane; a file that claims more is not believed."""
MOST_PLANES = 100_000
"""A choice: more than any time lapse; a file that claims more is not believed."""
LARGEST_CELLS = 1 << 30
"""Bytes that the masks of one file may take; 50,000 cells of 40 x 40 pixels take 80 million."""


@dataclass(frozen=True)
class Reading:
    """What was read from a file.

    Attributes
    ----------
    results
        A result for each image.
    notes
        What was left out, repaired or assumed, as sentences.
    files
        The files that were read, with the images that the cells belong to.
    places
        Where the file says that the images are, by name of the result, as far as they are there.
    failed
        Name of each file of a folder that could not be read -> why.
    """

    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    places: Mapping[str, Path] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


def check_size(path: Path, shape: tuple[int, ...], leading: tuple[int, ...] = ()) -> None:
    """Refuse impossible sizes before anything is allocated.

    Raises
    ------
    BadAnnotations
        With the name of the file.
    """
    planes = math.prod(leading)
    if min((*shape, *leading)) < 1 or math.prod(shape) > LARGEST_PLANE or planes > MOST_PLANES:
        size = " x ".join(map(str, (*leading, *shape)))
        raise BadAnnotations(
            f"At most {LARGEST_PLANE:,} pixels in each of {MOST_PLANES:,} planes can be read, but {path.name} claims "
            f"{size}. It is damaged, or needs to be cut into tiles."
        )


class Allowance:
    """Counts the pixels of the masks in a file, and stops a malicious one."""

    def __init__(self, path: Path) -> None:
        self._path, self._left = path, LARGEST_CELLS

    def take(self, pixels: int) -> None:
        """Count a mask.

        Raises
        ------
        BadAnnotations
            If all masks together are too large.
        """
        self._left -= pixels
        if self._left < 0:
            raise BadAnnotations(
                f"The boxes of the cells in {self._path.name} have more than {LARGEST_CELLS:,} pixels together. "
                "Split it into several files."
            )


@contextmanager
def refusing(path: Path, what: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn a parser's errors on a damaged file into a clear message.

    Raises
    ------
    BadAnnotations
        In place of `errors`.
    """
    try:
        yield
    except FileNotFoundError:
        raise BadAnnotations(f"There is no {what} at {path}. Check the path.") from None
    except (OSError, *errors) as error:  # type: ignore[misc]  # a tuple of classes
        raise BadAnnotations(f"{path.name} cannot be read as {what}: {reason(error)}. Export it again.") from error


def find_image(path: Path, images: Path | None, name: str, *, but: Set[Path] = frozenset()) -> Path | None:
    """The image that belongs to a file of cells: the one with that name and any suffix; None if there is none.

    Parameters
    ----------
    path
        The file of cells; without `images`, the image is searched beside it and in the folder images/ there.
    but
        Files of cells, too, which are no images.
    """
    from napari_centermask.io.image_names import clean_name
    from napari_centermask.io.images import SUFFIXES

    plain = clean_name(name)
    if not plain:
        return None
    folders = _image_folders(path) if images is None else [images]
    if any(part.lower().endswith(HOLDERS) for part in plain.split("/")[:-1]):  # an image in a file with several
        scenes = (folder / n for folder in folders for n in (plain, *_from_file(plain)))
        if (scene := next(filter(exists, scenes), None)) is not None:
            return scene
    stem = plain[: -len(Path(plain).suffix)] if Path(plain).suffix.lower() in SUFFIXES else plain
    stems = (stem, f"{stem}_img") if path.stem.lower().endswith("_masks") else (stem,)  # as in Cellpose's own data
    names = [plain, *(s + suffix for s in stems for suffix in SUFFIXES)]
    names = [n for n in dict.fromkeys(names) if Path(n).suffix.lower() in SUFFIXES]
    names = list(dict.fromkeys(c for n in names for c in (n, n.rsplit("/", 1)[-1])))
    for folder in folders:
        for name in names if folder.is_dir() else ():
            found = os.path.join(
                folder, name
            )  # paths as text: there are some thirty names for each of a thousand files
            if os.path.isfile(found) and Path(found) != path and Path(found) not in but:
                return Path(found)
        for found in _with_capital_endings(folder, names):
            if os.path.isfile(found) and Path(found) != path and Path(found) not in but:
                return Path(found)
    return None


def _with_capital_endings(folder: Path, names: Sequence[str]) -> Iterator[str]:
    """Files that have one of the names except for capitals in the ending, as microscopes write them: a.TIF for a.tif."""
    for directory in dict.fromkeys(os.path.join(folder, os.path.dirname(name)) for name in names):
        there = sorted(os.listdir(directory)) if os.path.isdir(directory) else ()
        wanted = {os.path.basename(n) for n in names if os.path.join(folder, os.path.dirname(n)) == directory}
        for file in there:
            stem, ending = os.path.splitext(file)
            if ending != ending.lower() and stem + ending.lower() in wanted:
                yield os.path.join(directory, file)


def _from_file(name: str) -> list[str]:
    """A scene's name from its file on: slide.lif/Series 3."""
    parts = name.split("/")
    return ["/".join(parts[k:]) for k, part in enumerate(parts) if k and part.lower().endswith(HOLDERS)]


def _image_folders(path: Path) -> list[Path]:
    """Where the image of a file of cells may be.

    Beside it, in images/, in the folder that mirrors labels/ or masks/, or, in the Cell Tracking Challenge, in 01 for 01_GT/SEG.
    """
    folders = [path.parent, path.parent / "images"]
    parts = path.parent.parts
    for k in range(len(parts) - 1, max(-1, len(parts) - 4), -1):
        if parts[k].lower() in ("labels", "masks"):
            folders.append(Path(*parts[:k], "images", *parts[k + 1 :]))
            break
        if sequence := re.fullmatch(r"(\d\d)_(?:GT|ST|ERR_SEG|RES)", parts[k]):
            folders.append(Path(*parts[:k], sequence[1]))
            break
    return folders


def image_header(path: Path, images: Path | None, name: str) -> ImageData | None:
    """Size and axes of the image that belongs to a file of cells, without its pixels; None if there is none.

    Raises
    ------
    BadImage
        If it cannot be read.
    """
    from napari_centermask.io.images import read_header

    image = find_image(path, images, name)
    return None if image is None else read_header(image)
