"""An image that lies under another one is not seen; a run shows it, and its cells never lie over another image."""

from __future__ import annotations

import numpy as np
import pytest

from napari_centermask.widgets.viewer.sight import covering, hiding, why_unseen


def test_an_image_under_another_one_is_not_seen_and_the_reason_names_that_one(viewer):
    below, above = (viewer.add_image(np.ones((32, 32)), name=name) for name in ("below", "above"))
    assert why_unseen(viewer, below) == "You do not see this image: 'above' lies over it."
    assert why_unseen(viewer, above) == ""
    above.visible = False
    assert why_unseen(viewer, below) == ""
    assert why_unseen(viewer, above) == "This image is hidden."
    assert hiding(viewer, below) == [above]
    assert why_unseen(viewer, None) == ""


@pytest.mark.parametrize(
    "look",
    [{"blending": "additive"}, {"opacity": 0.4}, {"translate": (0, 100)}, {"scale": (0.3, 0.3), "translate": (9, 9)}],
    ids=["channels", "see-through", "beside it", "put over a part"],
)
def test_what_lets_most_of_the_image_through_does_not_hide_it(viewer, look):
    below = viewer.add_image(np.ones((32, 32)))
    viewer.add_image(np.ones((32, 32)), **look)
    assert covering(viewer, below) == []


@pytest.mark.parametrize("shape", [(16, 20), (16, 20, 3), (5, 16, 20)], ids=["grey", "colour", "stack"])
def test_a_smaller_image_that_was_opened_later_hides_a_part(viewer, shape):
    below = viewer.add_image(np.ones((32, 32)), name="below")
    above = viewer.add_image(np.ones(shape), name="above")
    assert covering(viewer, below) == [above]
    assert why_unseen(viewer, below) == "You do not see all of this image: 'above' lies over a part of it."
    assert why_unseen(viewer, above) == ""


def test_in_grid_mode_every_image_is_seen(viewer):
    below, _ = viewer.add_image(np.ones((32, 32))), viewer.add_image(np.ones((32, 32)))
    getattr(viewer, "canvas", viewer).grid.enabled = True
    assert why_unseen(viewer, below) == ""


def test_a_run_shows_its_image_and_hides_those_over_it_with_their_cells(viewer, dock, run_to_end, discs):
    first, second = (viewer.add_image(discs(), name=name) for name in ("first", "second"))
    run_to_end()
    viewer.layers.selection.active = first
    assert dock.image.unseen.text().startswith("You do not see this image: 'second' lies over it.")
    run_to_end()
    assert dock.image.unseen.text() == ""
    seen = {layer.name for layer in viewer.layers if layer.visible and "active" not in layer.name}
    assert seen == {"first", "first cells", "first outlines"}
    second.visible = True
    assert viewer.layers["second cells"].visible
    assert viewer.layers["second outlines"].visible
    names = [layer.name for layer in viewer.layers]
    assert names.index("first outlines") < names.index("second")  # below what hides their image


def test_a_run_hides_smaller_images_over_its_own_too(viewer, dock, run_to_end, discs):
    first = viewer.add_image(discs(), name="first")
    viewer.add_image(np.ones((40, 50, 3), np.uint8), name="small")
    viewer.layers.selection.active = first
    assert "'small' lies over a part of it" in dock.image.unseen.text()
    run_to_end()
    assert not viewer.layers["small"].visible
    names = [layer.name for layer in viewer.layers]
    assert names.index("first outlines") < names.index("small")


def test_cells_of_a_run_lie_below_an_image_that_was_opened_meanwhile(viewer, dock, engine, qtbot, discs):
    viewer.add_image(discs(), name="first")
    engine.gate.clear()
    dock.run.start.click()
    viewer.add_image(discs(), name="second")
    engine.gate.set()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=10_000)
    names = [layer.name for layer in viewer.layers]
    assert names.index("first") < names.index("first cells") < names.index("first outlines") < names.index("second")
