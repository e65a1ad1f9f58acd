"""The rows of the table: what there is to see of tracks and 3-D cells, without Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_centermask.core.result import Index, Result
from napari_centermask.core.tracks import Lineage, Way, solids

TRACKS = ("Track", "Frames", "From", "Into")
SOLIDS = ("Cell", "Slices", "Voxels")
WITH_FRAME = ("Cell", "Frame", "Slices", "Voxels")
VOLUME = "µm³"


@dataclass(frozen=True)
class Rows:
    """Titles, texts, and where each row's first cell is: its plane and id."""

    titles: tuple[str, ...]
    texts: Sequence[tuple[str, ...]]
    places: Sequence[tuple[Index, int]]


def track_rows(lineage: Lineage) -> Rows:
    """A row for each track: its frames, the track that it came from, and those that it divides into."""
    texts, places = [], []
    for track in lineage:
        first, last = lineage.first(track), lineage.last(track)
        frames = str(first) if first == last else f"{first}–{last}"
        into = ", ".join(map(str, track.children))
        texts.append((str(track.id), frames, str(track.parent or ""), into))
        places.append((track.spots[0].index, track.spots[0].cell.id))
    return Rows(TRACKS, texts, places)


def solid_rows(result: Result, way: Way, *, pixel_um: float | None, slice_um: float | None) -> Rows:
    """A row for each 3-D cell: its slices and its volume, in cubic micrometres where the sizes are known."""
    found = solids(result, way)
    first: dict[tuple[Index, int], tuple[Index, int]] = {}
    for index, plane in result.planes.items():
        for cell in plane:
            first.setdefault((way.rest(index), cell.track), (index, cell.id))
    has_frames = any(solid.moment for solid in found)
    titles = WITH_FRAME if has_frames else SOLIDS
    is_known = pixel_um is not None and slice_um is not None
    texts = []
    for solid in found:
        frame = (str(solid.moment[0]),) if has_frames else ()
        text = (str(solid.track), *frame, f"{solid.first}–{solid.last}", f"{solid.voxels:,.0f}")
        if pixel_um is not None and slice_um is not None:
            text += (f"{solid.volume_um3(pixel_um, slice_um):,.4g}",)
        texts.append(text)
    places = [first[solid.moment, solid.track] for solid in found]
    return Rows((*titles, VOLUME) if is_known else titles, texts, places)
