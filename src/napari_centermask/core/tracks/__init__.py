"""Which cells of different planes are one and the same: through time, and through depth.

A cell has the number of its `track`, and its `parent`, the track that divided into it; both are values of the cell like its
category, so that masks may overlap, every edit can be undone, and files keep them. On a time axis, cells of one track are one
cell in several frames; on a z axis, they are the slices of one 3-D cell; with both axes, they are both.
"""

from napari_centermask.core.tracks.edits import Key, assigned, cut, divide, forget, link
from napari_centermask.core.tracks.lineage import Lineage, Spot, Track
from napari_centermask.core.tracks.volumes import Solid, solids
from napari_centermask.core.tracks.way import TIME, Way

__all__ = [
    "TIME",
    "Key",
    "Lineage",
    "Solid",
    "Spot",
    "Track",
    "Way",
    "assigned",
    "cut",
    "divide",
    "forget",
    "link",
    "solids",
]
