"""Cells of the plane in view: what painting means for them and for others, plane by plane."""

from __future__ import annotations

import numpy as np
import pytest
from corrected_cells import correct, paint, truth, views_agree


def test_painting_with_nothing_selected_makes_a_cell(bare_viewer):
    edits = correct(bare_viewer)
    edits.activate()
    edits.active.layer.brush_size = 8
    paint(edits, [(80, 20)])
    edits.flush()
    assert edits.selected == (5,)
    assert edits.cell.source == "manual"
    paint(edits, [(80, 26)])
    edits.flush()
    assert len(edits.result) == 5
    edits.undo()
    edits.undo()
    assert edits.selected == ()
    assert not edits.active.layer.data.any()
    assert len(edits.result) == 4
    assert views_agree(edits)


def test_write_modes_decide_about_the_pixels_of_others(bare_viewer):
    edits = correct(bare_viewer)
    for mode, shared, neighbour in (("overlap", True, False), ("take over", False, True), ("keep out", False, False)):
        edits.mode = mode
        edits.select((4,))
        before = edits.result.get((), 2).area
        edits.active.layer.brush_size = 6
        paint(edits, [(30, 50), (30, 51)])
        edits.flush()
        common = truth(edits, 4) & truth(edits, 2)
        assert common.any() == shared
        assert (edits.result.get((), 2).area < before) == neighbour
        assert np.array_equal(edits.active.layer.data == 1, truth(edits, 4))
        edits.undo()
        assert views_agree(edits)


@pytest.mark.parametrize(
    ("leading", "channels", "place"),
    [
        ((3,), 0, {"scale": (5, 2, 2), "translate": (1, 10, 20)}),
        ((2, 3), 0, {"scale": (1, 4, 0.5, 0.5)}),
        ((3,), 2, {}),
        ((), 2, {"scale": (1, 0.3, 0.6)}),
    ],
)
def test_stacks_are_corrected_plane_by_plane(bare_viewer, leading, channels, place):
    last = tuple(n - 1 for n in leading)
    edits = correct(
        bare_viewer, leading=leading, channels=channels, place=place, planes=sorted({(0,) * len(leading), last})
    )
    layer, source = edits.active.layer, edits.source
    target = min(edits.result.planes[last].ids)
    edits.select((target,), centre=True)
    assert edits.current_plane == last
    at = source.data_to_world([0] * (source.ndim - 2) + [30, 30])[-2:]
    assert np.allclose(layer.data_to_world((30, 30)), at)
    camera = bare_viewer.scene.camera.center
    assert np.allclose(camera[-2:], at, atol=1e-6)
    layer.paint((60, 20), 1)
    if leading:
        bare_viewer.dims.set_current_step(0, 0)  # leaves the plane with paint on it
        assert edits.selected == ()
        assert edits.current_plane != last
    edits.flush()
    assert edits.result.get(last, target).mask.shape[0] > 30
    assert views_agree(edits)
    edits.undo()
    assert edits.current_plane == last
    assert views_agree(edits)


def test_new_cells_have_the_category_that_was_chosen_last_also_in_the_next_image(begin):
    first, second = begin(), begin()
    for edits in (first, second):
        edits.result.categories = {1: "living", 2: "dead"}
    assert second.category == 1
    first.category = 2
    assert second.category == 2
    second.result.categories = {1: "cell"}
    assert second.category == 1
