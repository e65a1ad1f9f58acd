"""Under which name the edits of a part of a large image are kept, and which parts were never put back."""

from __future__ import annotations

import json
from pathlib import Path

from napari_centermask.core.instances import Box
from napari_centermask.core.result import Index
from napari_centermask.io.recovery import unsaved_sources


def kept_as(path: Path, corrections: int, box: Box, index: Index) -> str:
    """A name for the edits of a part, as a source of `io.recovery`.

    It holds for the cells as they are after so many corrections: after another one, ids may be those of other cells.
    """
    place = {"cells": str(path.resolve()), "corrections": corrections, "plane": index, "box": box}
    return json.dumps(place, default=int)


def unsaved_parts(path: Path, corrections: int) -> list[tuple[Box, Index]]:
    """The parts of these cells, by box and plane, whose edits are kept and were never put back, the latest first."""
    found: list[tuple[Box, Index]] = []
    for source in unsaved_sources():
        try:
            known = json.loads(source)
            if (known["cells"], known["corrections"]) == (str(path.resolve()), corrections):
                y0, x0, y1, x1 = map(int, known["box"])
                found.append(((y0, x0, y1, x1), tuple(map(int, known["plane"]))))
        except (ValueError, LookupError, TypeError):
            continue
    return found
