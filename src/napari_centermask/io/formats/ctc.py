"""The Cell Tracking Challenge: a folder with a label image for each frame, and a text with the tracks.

`01_RES` holds mask000.tif and res_track.txt, `01_GT/TRA` man_track000.tif and man_track.txt. A line of the text is a track: its
label, first frame, last frame, and the label that it came from, or 0 (Ulman et al. 2017, Nature Methods 14, 1141). A label is in
every frame of its track: where a cell is missing in between, the track ends, and goes on as another one that came from it.

A label image holds one cell at each pixel: of cells that overlap, the top-most one is written; `write_series` says what is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_centermask.core.compose import from_runs, stacked
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadAnnotations, BadSettings
from napari_centermask.core.instances import Instance
from napari_centermask.core.label_runs import LabelRuns
from napari_centermask.core.progress import Advance, silent
from napari_centermask.core.result import Index, Result
from napari_centermask.core.tracks import Lineage, Way
from napari_centermask.io.formats.fields import place
from napari_centermask.io.formats.labels import whole_labels
from napari_centermask.io.formats.reading import Reading, check_size
from napari_centermask.io.images import read_image
from napari_centermask.io.whole_file import whole_files

TEXTS = ("res_track.txt", "man_track.txt")
_FRAME = re.compile(r"(?:mask|man_track)(\d{3,6})\.tiff?", re.IGNORECASE)
_RESULT = re.compile(r"(\d\d)_(?:GT|ST|ERR_SEG|RES)")
_LARGEST = 2**16 - 1  # the challenge reads 16 bits
_MOST_LINES = 1_000_000  # a choice; a file that claims more is not believed


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    files
        The text first, then the label images.
    tracks
        Number of lines in the text.
    notes
        What is not as it was: sentences.
    """

    files: tuple[Path, ...]
    tracks: int
    notes: tuple[str, ...]


def is_result(path: Path) -> bool:
    """Whether a folder has tracks of the challenge."""
    return path.is_dir() and any((path / name).is_file() for name in TEXTS)


def read(path: Path, images: Path | None = None, advance: Advance = silent) -> Reading:
    """The cells of a folder as one time series, with their tracks.

    Raises
    ------
    BadAnnotations
        If it has no frames or no tracks, or they are damaged.
    """
    folder = path if path.is_dir() else path.parent
    text = next((folder / name for name in TEXTS if (folder / name).is_file()), None)
    frames = {at: folder / name for name, at in sorted(_frame_names(folder).items())}
    if text is None or not frames:
        raise BadAnnotations(
            f"{folder} is not a result of the Cell Tracking Challenge: it needs res_track.txt with mask000.tif ..., or "
            "man_track.txt with man_track000.tif ... Choose the folder that has them."
        )
    lines = _lines(text)
    result, wrong = _result(folder, frames, lines, advance)
    _rejoin(result)
    notes = [f"{counted(wrong, 'label')} in the frames that {text.name} does not name; such cells have no track."] * (
        wrong > 0
    )
    return Reading((result,), tuple(notes), (text, *frames.values()))


def _frame_names(folder: Path) -> dict[str, int]:
    """Names of the label images in a folder, and their frames."""
    return {p.name: int(m[1]) for p in folder.iterdir() if (m := _FRAME.fullmatch(p.name))}


def _lines(path: Path) -> dict[int, tuple[int, int, int]]:
    """First frame, last frame and parent of each label."""
    try:
        rows = [line.split() for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
        lines = {int(label): (int(first), int(last), int(parent)) for label, first, last, parent in rows}
    except (OSError, ValueError) as error:
        raise BadAnnotations(
            f"{path.name} must have four whole numbers in a line: {error}. Export it again."
        ) from error
    if len(rows) > _MOST_LINES or len(lines) < len(rows):
        raise BadAnnotations(f"{path.name} names a track twice, or more than {_MOST_LINES:,}. Export it again.")
    limit = 2**31 - 1
    if any(not 0 < label <= limit or not 0 <= parent <= limit for label, (_, _, parent) in lines.items()):
        raise BadAnnotations(f"{path.name} has labels that are not from 1 to {limit:,}. Export it again.")
    return lines


def _result(
    folder: Path, frames: dict[int, Path], lines: dict[int, tuple[int, int, int]], advance: Advance
) -> tuple[Result, int]:
    """The cells with their labels as tracks, and the number of labels that have no line."""
    n = max(frames) + 1
    result: Result | None = None
    cells: list[tuple[Index, Instance]] = []
    wrong = set[int]()
    for done, (at, path) in enumerate(frames.items(), start=1):
        image = read_image(path, labels=True)
        stack = np.asarray(image.data)
        if stack.ndim not in (2, 3) or "S" in image.axes:
            raise BadAnnotations(f"{path.name} is not a label image of a frame. Export it again.")
        leading = (n, *stack.shape[:-2])
        if result is None:
            check_size(path, stack.shape[-2:], leading)
            result = Result(stack.shape[-2:], leading=leading, name=_sequence(folder))
        if (leading, stack.shape[-2:]) != (result.leading, result.shape):
            raise BadAnnotations(f"{path.name} is of another size than the frames before. Export all frames again.")
        for rest in np.ndindex(*stack.shape[:-2]):
            runs = LabelRuns(whole_labels(path, stack[rest]))
            for cell in from_runs(runs, result.shape, source=path.name, status="accepted"):
                line = lines.get(cell.id)
                wrong |= set() if line else {cell.id}
                track, parent = (cell.id, line[2]) if line else (0, 0)
                cells.append(((at, *rest), replace(cell, id=0, track=track, parent=parent)))
        advance(done, len(frames))
    assert result is not None
    place(result, cells)
    return result, len(wrong)


def _sequence(folder: Path) -> str:
    """The name of the images: 01 for 01_RES and 01_GT/TRA, else that of the folder."""
    found = (_RESULT.fullmatch(part) for part in reversed(folder.absolute().parts))
    return next((match[1] for match in found if match), folder.name)


def _rejoin(result: Result) -> None:
    """Join what one gap divided: a track that ends, and the only one that came from it, some frames later."""
    lineage = Lineage(result)
    joined: dict[int, int] = {}
    for track in lineage:
        if len(track.children) == 1:
            child = lineage.tracks[track.children[0]]
            if lineage.first(child) > lineage.last(track) + 1:
                joined[child.id] = track.id
    if not joined:
        return
    for index, cell in result.placed():
        if cell.track in joined or cell.parent in joined:
            whole = _whole(cell.track, joined)
            parent = lineage.tracks[whole].parent if cell.track in joined else cell.parent
            result.set(index, cell.id, replace(cell, track=whole, parent=_whole(parent, joined)))


def _whole(track: int, joined: dict[int, int]) -> int:
    while track in joined:
        track = joined[track]
    return track


def series_files(folder: Path, result: Result, way: Way) -> list[Path]:
    """The files that `write_series` writes.

    Raises
    ------
    BadSettings
        If the folder has other frames, such as those of a longer series, which would be read back as frames of this one.
    """
    n = result.leading[way.axis]
    digits = 3 if n <= 1000 else 4 if n <= 10_000 else 6
    names = [f"mask{at:0{digits}}.tif" for at in range(n)]
    others = sorted(set(_frame_names(folder)) - set(names)) if folder.is_dir() else []
    if others:
        more = f" and {len(others) - 1:,} more" if len(others) > 1 else ""
        raise BadSettings(
            f"{folder} already has frames of another series: {others[0]}{more}. Choose another folder, or delete them."
        )
    return [folder / name for name in (TEXTS[0], *names)]


def write_series(folder: Path, result: Result, way: Way, advance: Advance = silent) -> Written:
    """Write the shown cells of a time series as a result of the challenge.

    Raises
    ------
    BadSettings
        If the way is not time, there are more tracks than 16 bits hold, or the folder has frames of another series.
    CannotSave
        If a file cannot be written; then none is.
    """
    import tifffile

    way.check(result.leading)
    if way.is_depth:
        raise BadSettings("The Cell Tracking Challenge needs a time axis, and this one is depth.")
    labels = _Labels(result, way)
    files = series_files(folder, result, way)
    with whole_files(files) as parts:
        for at, part in enumerate(parts[1:]):
            tifffile.imwrite(part, labels.frame(at), compression="zlib", photometric="minisblack")
            advance(at + 1, len(files) - 1)
        parts[0].write_text("".join(f"{' '.join(map(str, line))}\n" for line in labels.lines()), encoding="ascii")
    return Written(tuple(files), len(labels.lines()), tuple(labels.notes()))


class _Labels:
    """Label images of frames, and the lines that say what the labels are.

    The pixels are drawn first, as cells that lose all theirs to others leave a gap in their track.
    """

    def __init__(self, result: Result, way: Way) -> None:
        self._result, self._way = result, way
        self._lineage = Lineage(result, way)
        self._changed = self._gone = self._pixels = self._gaps = 0
        self._of: dict[tuple[int, int], int] = {}  # label by track and frame
        self._lines: dict[int, list[int]] = {}  # label: first, last, parent
        self._alone = 0
        self._seen = self._visible()
        self._number()

    def _visible(self) -> dict[int, list[int]]:
        """Frames of each track in which something of it can be seen; also counts what others cover."""
        seen: dict[int, set[int]] = {}
        for index in self._result.planes:
            drawn = self._plane(index)
            cells = self._cells(index)
            left = np.bincount(drawn.ravel(), minlength=len(cells) + 1)
            for n, cell in enumerate(cells, start=1):
                lost = cell.area - int(left[n])
                self._changed += 0 < lost < cell.area
                self._gone += lost == cell.area
                self._pixels += lost
                if cell.track and lost < cell.area:
                    seen.setdefault(cell.track, set()).add(self._way.at(index))
        return {track: sorted(frames) for track, frames in seen.items()}

    def _cells(self, index: Index) -> list[Instance]:
        """Shown cells from the lowest to the top-most."""
        return stacked(self._result.visible(index))

    def _plane(self, index: Index) -> np.ndarray:
        """(H, W) int32: positions in `_cells`, from 1."""
        drawn = np.zeros(self._result.shape, np.int32)
        for n, cell in enumerate(self._cells(index), start=1):
            y0, x0, y1, x1 = cell.box
            drawn[y0:y1, x0:x1][cell.mask] = n
        return drawn

    def _number(self) -> None:
        """Give each unbroken part of a track a label; the first part keeps the track's number."""
        last = max(self._seen, default=0)
        ends: dict[int, int] = {}
        for track in sorted(self._lineage, key=self._lineage.first):
            for n, (first, final) in enumerate(_unbroken(self._seen.get(track.id, []))):
                parent = ends.get(track.id if n else track.parent, 0)
                last, label = (last + 1, last + 1) if n else (last, track.id)
                self._gaps += n > 0
                self._lines[label] = [first, final, parent]
                self._of |= {(track.id, at): label for at in range(first, final + 1)}
                ends[track.id] = label
        self._last = last

    def frame(self, at: int) -> np.ndarray:
        """(H, W) or, with slices, (Z, H, W) uint16."""
        rests = [n for axis, n in enumerate(self._result.leading) if axis != self._way.axis]
        drawn = np.zeros((*rests, *self._result.shape), np.uint16)
        for rest in np.ndindex(*rests):
            index = self._way.place(at, rest)
            cells = self._cells(index) if index in self._result.planes else []
            if cells:
                plane = self._plane(index)
                left = np.bincount(plane.ravel(), minlength=len(cells) + 1)[1:]
                labels = np.array(
                    [0, *(self._label(cell, at) if n else 0 for cell, n in zip(cells, left, strict=True))]
                )
                if labels.max() > _LARGEST:
                    raise BadSettings(
                        f"The Cell Tracking Challenge has labels up to {_LARGEST:,}, and more are needed. Track the cells "
                        "first, or delete what is no cell."
                    )
                drawn[rest] = labels[plane]
        return drawn

    def _label(self, cell: Instance, at: int) -> int:
        """The label of a cell of which something can be seen."""
        if cell.track:
            return self._of[cell.track, at]
        self._alone += 1
        self._last += 1
        self._lines[self._last] = [at, at, 0]
        return self._last

    def lines(self) -> list[tuple[int, int, int, int]]:
        """Label, first frame, last frame and parent, by label."""
        return [(label, first, last, parent) for label, (first, last, parent) in sorted(self._lines.items())]

    def notes(self) -> Iterator[str]:
        """What is not as it was."""
        if self._changed or self._gone:
            yield (
                f"A label image has one cell at each pixel: {counted(self._changed, 'cell')} lost the parts under other cells, "
                f"{self._gone:,} disappeared, {counted(self._pixels, 'pixel')} in all. COCO keeps them."
            )
        if self._gaps:
            yield f"{counted(self._gaps, 'gap')}: the track ends there and goes on as a new one, as the challenge wants it."
        if self._alone:
            yield f"{counted(self._alone, 'cell')} on no track: each is written as a track of one frame."


def _unbroken(frames: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of frames without a gap."""
    ends = [n for n in range(len(frames)) if n + 1 == len(frames) or frames[n + 1] > frames[n] + 1]
    start = 0
    for end in ends:
        yield frames[start], frames[end]
        start = end + 1
