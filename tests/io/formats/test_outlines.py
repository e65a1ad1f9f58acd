"""Outlines become a result on the image that they belong to."""

import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.formats.outlines import extent, result_of


def square(x, y, side):
    return [[np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], float)]]


def read(tmp_path, outlines, own=None, **more):
    options = {"n_all": len(outlines), "noun": "object", "position": lambda _: (0, 0)}
    options |= {"cell_of": lambda score, _: ({"score": score}, "cell")}
    return result_of(tmp_path / "a.geojson", own, None, outlines, **options | more)


def test_an_unknown_size_holds_all_outlines_and_is_said(tmp_path):
    assert extent([]) == (1, 1)
    reading = read(tmp_path, [(0.5, square(2, 3, 4)), (0.25, square(10, 1, 2))], n_all=3)
    (result,) = reading.results
    assert (result.name, result.shape) == ("a", (7, 12))
    assert [(c.box, c.score) for c in result] == [((3, 2, 7, 6), 0.5), ((1, 10, 3, 12), 0.25)]
    assert [note.split()[0] for note in reading.notes] == ["The", "Skipped"]


def test_outlines_of_another_place_are_refused_and_a_stray_one_is_skipped(tmp_path):
    near, far = (1.0, square(2, 3, 4)), (1.0, square(1000, 2000, 4))
    (note,) = read(tmp_path, [near, near, far], own={"shape": [20, 20]}).notes
    assert note.startswith("Skipped 1 object outside")
    with pytest.raises(BadAnnotations, match="2 of 3 outlines.*y 3, x 2 to y 2004, x 1004"):
        read(tmp_path, [near, far, far], own={"shape": [20, 20]})
