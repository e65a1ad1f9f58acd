"""What is known of cells beside their masks."""

from __future__ import annotations

import pytest


def test_the_result_knows_the_seams_of_its_tiles(viewer, dock, run_to_end, discs):
    layer = viewer.add_image(discs(shape=(300, 128)), name="discs")
    dock.advanced.form.set_value({"tile": 128, "overlap": 32})
    run_to_end()
    ys, xs = dock.session.result(layer).seams[()]
    assert len(ys) >= 2
    assert all(0 < y < 300 for y in ys)
    assert xs == ()


def test_an_automatic_diameter_stays_automatic_for_the_next_image(viewer, dock, run_to_end, discs):
    layer = viewer.add_image(discs(), name="discs")
    dock.model.diameter.setValue(0)
    run_to_end()
    shown = dock.session.shown(layer)
    assert shown.diameter == pytest.approx(20, abs=2.5)
    assert shown.settings.diameter is None
