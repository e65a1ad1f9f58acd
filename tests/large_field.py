"""A large image's cells on the disk, small enough for tests: overlapping, across the borders of chunks, in one or more planes."""

from __future__ import annotations

import numpy as np

from napari_centermask.core.instances import Instance
from napari_centermask.io.formats.ome_zarr_arrays import CHUNK
from napari_centermask.io.large_cells import LargeForm, LargePlaces, LargeWriter
from napari_centermask.io.zarr_groups import attributes, open_group

SHAPE = (1100, 1300)


def disc(id, y, x, r, **values):
    """A round cell around a pixel."""
    yy, xx = np.mgrid[-r : r + 1, -r : r + 1]
    return Instance(id, y - r, x - r, np.hypot(yy, xx) <= r + 0.3, **values)


def field_cells(first=1):
    """Nine cells: three that overlap at the corner of four chunks, one at the image's edge, the others alone."""
    n = iter(range(first, first + 9))
    return [
        disc(next(n), 25, 25, 25),
        disc(next(n), 500, 500, 20, category=2, score=0.7),
        disc(next(n), 505, 520, 20),
        disc(next(n), CHUNK, CHUNK, 30),
        disc(next(n), CHUNK + 10, CHUNK + 10, 30),
        disc(next(n), CHUNK - 15, CHUNK + 20, 30),
        disc(next(n), 300, 900, 12, track=4),
        disc(next(n), 1070, 640, 20),
        disc(next(n), 560, 505, 25, status="accepted", source="model"),
    ]


def write_field(folder, planes=None, *, version="0.4", shape=SHAPE, leading=()):
    """Write cells as a finished run does; `planes` has those of each plane."""
    places = LargePlaces.named(folder, "field")
    writer = LargeWriter(places, LargeForm("field", leading, shape, {1: "cell", 2: "dead"}, version, (0.5, 0.5)))
    for index in np.ndindex(*leading):
        writer.put(index, (planes or {(): field_cells()})[index], shape[0])
    for _ in writer.finish():
        pass
    return places


def everything(source, index=()):
    """The cells of a plane by id."""
    return {c.id: c for c in source.cells((0, 0, *source.shape), index)}


def assert_consistent(path):
    """The smaller copies are what a run would write, the counts are those of the label images, and these have no more than the
    table knows."""
    root = open_group(path)
    names = attributes(root["labels"])["labels"]
    labels = [root["labels"][name] for name in names]
    count = sum((np.asarray(group["0"]) != 0).astype(int) for group in labels)
    assert np.array_equal(np.asarray(root["0"]), count)
    for group in (root, *labels):
        sizes = [np.asarray(group[d["path"]]) for d in attributes(group)["multiscales"][0]["datasets"]]
        assert len(sizes) > 1
        for large, small in zip(sizes, sizes[1:], strict=False):
            assert np.array_equal(large[..., ::2, ::2], small)
