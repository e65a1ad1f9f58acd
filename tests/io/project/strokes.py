"""Strokes in a project's images, and what they must leave behind."""

from __future__ import annotations

import numpy as np

from napari_centermask.core.tools import new_cell, to_changes
from napari_centermask.io.project import Project

SHAPE = (64, 80)


def square(y0, x0, y1, x1, shape=SHAPE):
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def draw(project, id, mask, plane=(), **fields):
    result = project.result(id)
    pairs = new_cell(result.plane(plane), mask, **fields)
    return project.history(id).do("new cell", to_changes(pairs, plane, result))


def state(project):
    return {i.id: project.result(i.id) for i in project.images if i.shape is not None}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for id in a:
        assert a[id].reviewed_planes == b[id].reviewed_planes
        cells = [{(k, c.id): c for k, p in r.planes.items() for c in p} for r in (a[id], b[id])]
        assert cells[0].keys() == cells[1].keys()
        assert all(cells[0][k].equals(cells[1][k]) for k in cells[0])


def reopened(project):
    """As a new process would find it after this one was killed: without saving, without closing properly."""
    project._journal.sync()
    project._lock.release()
    project._lock = None
    return Project.open(project.folder)
