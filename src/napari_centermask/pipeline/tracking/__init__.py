"""Which cells of neighbouring frames or slices are one: by overlap and motion, with divisions and gaps.

Assignments are solved by scipy, which the base has; docs/architecture.md says why not by a tracking library.
"""

from napari_centermask.pipeline.tracking.slices import Joined, join_slices
from napari_centermask.pipeline.tracking.through_time import Tracked, track_cells

__all__ = ["Joined", "Tracked", "join_slices", "track_cells"]
