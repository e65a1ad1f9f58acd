"""Uneven light: what is chosen for it reaches the run, and a flat field can be made from a stack."""

import numpy as np

from napari_centermask.settings import PreprocessSettings


def test_a_run_uses_what_is_shown(viewer, dock, engine, run_to_end, uneven):
    viewer.add_image(uneven, name="discs")
    dock.illumination.box.form.set_value({"background": "tophat", "background_size": 40.0})
    settings = dock.value()
    assert (settings.preprocess.background, settings.preprocess.background_size) == ("tophat", 40.0)
    dock.set_value(settings.model_copy(update={"preprocess": PreprocessSettings(denoise="median")}))
    assert dock.value().preprocess.denoise == "median"
    dock.set_value(settings)
    run_to_end()
    cells = list(dock.session.shown(viewer.layers["discs"]).result.visible(()))
    assert len(cells) == 3


def test_the_flat_field_of_a_stack_is_saved_and_used(viewer, dock, qtbot, tmp_path, monkeypatch):
    from qtpy.QtWidgets import QFileDialog

    from napari_centermask.io.images import read_plane

    box, light = dock.illumination.box, np.linspace(0.5, 1.5, 64)[None] * np.ones((48, 1))
    viewer.add_image(np.ones((48, 64)), name="one")
    assert not box.estimate.isEnabled()
    viewer.add_image(np.random.default_rng(0).uniform(90, 110, (12, 48, 64)) * light, name="many")
    assert box.estimate.isEnabled()
    path = tmp_path / "flat.tif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(path), ""))
    box.estimate.click()
    qtbot.waitUntil(lambda: box.flat_field == path and dock.illumination._worker is None, timeout=10_000)
    np.testing.assert_allclose(read_plane(path)[0][:, 10:-10], light[:, 10:-10], rtol=0.06)
    assert dock.value().preprocess.flat_field == path
