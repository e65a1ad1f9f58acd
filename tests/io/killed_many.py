"""A process that changes many cells at once and is killed meanwhile; see test_kill_many.py.

Started once, it forks a child for every line "FOLDER EDIT MOMENT" on its standard input and prints how the child ended.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_centermask.core.classification import classified, with_names
from napari_centermask.core.history import Change, History
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.io import journal, packed_cells
from napari_centermask.io.project import Project

SHAPE = (64, 80)


def many(score: float) -> Instances:
    """Some 300 cells."""
    places = [(y, x) for y in range(0, 60, 4) for x in range(0, 76, 4)]
    return Instances(
        SHAPE, [Instance(k, y, x, np.ones((3, 3), bool), score=score) for k, (y, x) in enumerate(places, 1)]
    )


def classify(history: History) -> None:
    """Give all cells new categories."""
    result, cells = history.result, list(history.result)
    result.categories = with_names(result.categories, ("live", "dead"))
    p = np.linspace(0, 1, len(cells))
    history.do("classification", classified(result, (), cells, np.stack([p, 1 - p], 1), ("live", "dead")))


def delete(history: History) -> None:
    """Delete all cells."""
    history.do("deletion", [Change((), c.id, c, None) for c in history.result])


def judge(history: History) -> None:
    """Accept all cells and mark the plane as reviewed."""
    from dataclasses import replace

    from napari_centermask.core.history import RegionChange

    changes = [Change((), c.id, c, replace(c, status="accepted")) for c in history.result]
    history.do("review", changes, regions=[RegionChange((), (), ((0, 0, *SHAPE),))])


Edit = tuple[Callable[[Project], object], Callable[[Project], object]]
EDITS: dict[str, Edit] = {
    "classification": (lambda project: None, lambda project: classify(project.history(1))),
    "deletion": (lambda project: None, lambda project: delete(project.history(1))),
    "review": (lambda project: None, lambda project: judge(project.history(1))),
    "undo": (lambda project: delete(project.history(1)), lambda project: project.history(1).undo()),
    "redo": (
        lambda project: (classify(project.history(1)), project.history(1).undo()),
        lambda project: project.history(1).redo(),
    ),
    "prediction": (lambda project: None, lambda project: project.set_predictions(1, many(0.25), model="other")),
}
"""What comes before an edit, and the edit."""


def die(*_: object, **__: object) -> None:
    """As with `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_when(moment: str) -> None:
    """Arrange to be killed while cells are packed, in the middle of the line, or as soon as it is written."""
    write = os.write
    if moment == "packing":
        packed_cells._row = die
    elif moment == "line":

        def half(file: int, data: bytes) -> int:
            if len(data) > 1000:
                write(file, bytes(data)[: len(data) // 2])
                die()
            return write(file, data)

        journal.os.write = half
    else:

        def whole(file: int, data: bytes) -> int:
            n = write(file, data)
            return die() if len(data) > 1000 else n

        journal.os.write = whole


def main() -> None:
    """Fork a child for each line; say how it ended."""
    for line in sys.stdin:
        folder, edit, moment = line.rsplit(maxsplit=2)
        child = os.fork()
        if child == 0:
            project = Project.open(Path(folder))
            first, then = EDITS[edit]
            first(project)
            die_when(moment)
            then(project)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        os.write(1, f"{os.WTERMSIG(status) if os.WIFSIGNALED(status) else -1}\n".encode())


if __name__ == "__main__":
    main()
