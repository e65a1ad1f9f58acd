"""Folders of the Cell Tracking Challenge: the frames of `01` with the outlines in `01_GT/SEG` and the marks in `01_GT/TRA`.

`SEG` has outlines for some frames, and not always for all cells of a frame, while `01_GT/TRA` marks each cell of every frame
(Ulman et al. 2017, Nature Methods 14, 1141, and the challenge's "Naming and file content conventions").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.datasets.dataset import WHOLE, Dataset, Item
from napari_centermask.io.image_names import IMAGE_ENDINGS

_TRUTH = re.compile(r"(\d\d)_(GT|ST|RES)")
_SEGMENTED = re.compile(r"man_seg_?(\d{3,6})(?:_(\d{3,6}))?\.tiff?", re.IGNORECASE)  # of a frame, or of a slice of it
_MARKED = re.compile(r"man_track(\d{3,6})\.tiff?", re.IGNORECASE)
_FOUND = re.compile(r"mask(\d{3,6})\.tiff?", re.IGNORECASE)
_FRAME = re.compile(r"t(\d{3,6})")


def from_challenge(folder: Path) -> list[Dataset]:
    """The data set of a folder with sequences, of a sequence, or of its truth; none if it is something else.

    A result (`01_RES`) counts only if it is the folder itself. Sequences whose frames are not there are passed over.

    Raises
    ------
    BadAnnotations
        If a frame with outlines is missing.
    """
    top, numbers = _sequences(folder)
    items: list[Item] = []
    notes: list[str] = []
    for number in numbers:
        frames = _frames(top / number)
        if not frames:
            continue
        own, assumed = _items(top, number, frames, is_result=folder.absolute().name == f"{number}_RES")
        items += own
        notes += [assumed] if assumed else []
        left = len(frames) - len({item.image for item in own})
        if left:
            notes.append(f"{counted(left, 'frame')} of {number} without outlines: left out.")
    if not items:
        return []
    return [Dataset(folder, "Cell Tracking Challenge", "labels", {WHOLE: items}, tuple(notes))]


def _sequences(folder: Path) -> tuple[Path, list[str]]:
    """The folder that holds the sequences, and the names of those that are meant."""
    whole = folder.absolute()
    for path in (whole, whole.parent):
        if match := _TRUTH.fullmatch(path.name):
            return path.parent, [match[1]]
    if re.fullmatch(r"\d\d", whole.name):
        return whole.parent, [whole.name]
    named = (_TRUTH.fullmatch(path.name) for path in folder.iterdir() if path.is_dir())
    return whole, sorted({match[1] for match in named if match and match[2] != "RES"})


def _items(top: Path, number: str, frames: dict[int, Path], *, is_result: bool) -> tuple[list[Item], str]:
    """The frames of a sequence that have outlines, and what is assumed of them."""
    if is_result:
        found = _matching(top / f"{number}_RES", _FOUND)
        return [_frame_item(path, int(m[1]), frames) for path, m in found], f"{number}_RES is a result, not a truth."
    marks = {int(m[1]): p for p, m in _matching(top / f"{number}_GT" / "TRA", _MARKED)}
    for truth, note in (("GT", ""), ("ST", f"{number} has no gold truth; {number}_ST/SEG was made by programs.")):
        outlines = list(_matching(top / f"{number}_{truth}" / "SEG", _SEGMENTED))
        if outlines:
            return [_item(path, m, frames, marks) for path, m in outlines], note
    items = [_frame_item(path, at, frames) for at, path in marks.items()]
    return (
        items,
        f"{number} has no outlines; its marks for tracking are used, which may be smaller than the cells."
        * bool(items),
    )


def _item(path: Path, match: re.Match[str], frames: dict[int, Path], marks: dict[int, Path]) -> Item:
    at = int(match[1])
    whole = _frame_item(path, at, frames)
    return Item(whole.image, path, None if match[2] is None else (int(match[2]),), marks.get(at))


def _frame_item(path: Path, at: int, frames: dict[int, Path]) -> Item:
    if at not in frames:
        raise BadAnnotations(f"{path} has cells of a frame that is missing: t{at:03}.tif. Put the frame back.")
    return Item(frames[at], path)


def _frames(folder: Path) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    images = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGE_ENDINGS)
    return {int(match[1]): path for path in images if (match := _FRAME.fullmatch(path.stem))}


def _matching(folder: Path, pattern: re.Pattern[str]) -> Iterator[tuple[Path, re.Match[str]]]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if match := pattern.fullmatch(path.name):
            yield path, match
