import numpy as np
import pytest

from napari_centermask.core.illumination import Corrected
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline.correction import correction_of, preview
from napari_centermask.settings import ModelSettings, PreprocessSettings, SegmentSettings

NAMES = ["nucleus", "membrane"]


def uneven(discs):
    """Discs on a background that rises to the right."""
    return (discs() * 200 + np.linspace(50, 400, 128)[None]).astype(np.uint16)


@pytest.fixture
def wait(dock, qtbot):
    """Until the corrected image is shown."""

    def wait():
        qtbot.waitUntil(lambda: not dock.illumination.corrected.is_working, timeout=10_000)

    return wait


def test_the_corrected_image_is_laid_over_the_image_and_follows_the_settings(viewer, dock, discs, wait):
    image = uneven(discs)
    layer = viewer.add_image(image, name="discs", scale=(0.5, 0.5))
    box = dock.illumination.box
    box.form.set_value({"background": "tophat", "background_size": 40.0})
    assert not box.before.isEnabled()
    box.show_corrected.click()
    wait()
    shown = viewer.layers["discs corrected"]
    how = PreprocessSettings(background="tophat", background_size=40.0)
    np.testing.assert_array_equal(shown.data, Corrected(image[None], correction_of(how, 1.0))[:][0])
    np.testing.assert_array_equal(shown.scale, layer.scale)
    assert viewer.layers.selection.active.name == "discs"
    box.form.rows["denoise"].control.value = "median"
    wait()
    how = how.model_copy(update={"denoise": "median"})
    np.testing.assert_array_equal(shown.data, Corrected(image[None], correction_of(how, 1.0))[:][0])
    dock.model.diameter.setValue(40.0)  # the model's cells are 20 pixels wide: sizes count twice as many pixels
    wait()
    np.testing.assert_array_equal(shown.data, Corrected(image[None], correction_of(how, 0.5))[:][0])
    box.before.pressed.emit()
    assert not shown.visible
    box.before.released.emit()
    assert shown.visible
    box.show_corrected.click()
    assert "discs corrected" not in viewer.layers


def test_the_plane_and_channel_in_view_are_shown(viewer, dock, discs, wait):
    stack = np.stack([np.stack([uneven(discs) + 10 * t, uneven(discs) * 2 + t]) for t in range(3)])
    viewer.add_image(stack, name="stack", axis_labels=("t", "c", "y", "x"))
    dock.illumination.box.show_corrected.click()
    viewer.dims.set_current_step(0, 2)
    viewer.dims.set_current_step(1, 1)
    wait()
    np.testing.assert_array_equal(viewer.layers["stack corrected"].data, stack[2, 1])


def test_a_run_uses_what_is_shown(viewer, dock, engine, run_to_end, discs):
    image = uneven(discs)
    viewer.add_image(image, name="discs")
    dock.illumination.box.form.set_value({"background": "tophat", "background_size": 40.0})
    settings = dock.value()
    assert (settings.preprocess.background, settings.preprocess.background_size) == ("tophat", 40.0)
    dock.set_value(settings.model_copy(update={"preprocess": PreprocessSettings(denoise="median")}))
    assert dock.value().preprocess.denoise == "median"
    dock.set_value(settings)
    run_to_end()
    cells = list(dock.session.shown(viewer.layers["discs"]).result.visible(()))
    assert len(cells) == 3


def test_a_model_brings_its_own_correction_and_the_flat_field_stays(dock, tmp_path):
    box = dock.illumination.box
    flat = tmp_path / "flat.tif"
    box.set_flat_field(flat)
    how = PreprocessSettings(background="rolling_ball", denoise="gaussian", denoise_size=2.0)
    card = ModelCard(name="x", licence="CC0-1.0", model=ModelSettings(), diameter=20, preprocess=how)
    dock.illumination.show_model(card)
    assert box.value() == how.model_copy(update={"flat_field": flat})


def test_names_are_asked_where_the_model_has_some_and_filled_from_the_image(viewer, dock, discs):
    box = dock.illumination.box
    image = np.stack([uneven(discs)] * 2)
    viewer.add_image(image, name="a", axis_labels=("c", "y", "x"), metadata={"channel_names": ["membrane", "nucleus"]})
    assert dock.value().channel_names is None
    model = ModelSettings(in_channels=2)
    dock.illumination.show_model(ModelCard(name="x", licence="C", model=model, diameter=20, channel_names=NAMES))
    assert dock.value().channel_names == ["membrane", "nucleus"]
    assert dock.image.channels.text() == "membrane, nucleus"
    box.names.setText(" nucleus ,membrane")
    assert dock.value().channel_names == NAMES


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


def test_a_flat_field_that_does_not_fit_is_reported_below_the_button(viewer, dock, discs, wait, tmp_path):
    np.save(tmp_path / "flat.npy", np.ones((9, 9)))
    viewer.add_image(uneven(discs), name="discs")
    dock.illumination.box.set_flat_field(tmp_path / "flat.npy")
    dock.illumination.box.show_corrected.click()
    wait()
    assert "128 x 128" in dock.illumination.box.status.text()
    assert "discs corrected" not in viewer.layers


def test_a_large_image_is_shown_thinned_out():
    image = np.broadcast_to(np.arange(5000, dtype=np.uint16), (1, 4000, 5000))
    pixels, step = preview(image, 0, PreprocessSettings(), scale=1.0)
    assert step == 3
    np.testing.assert_array_equal(pixels, image[0, ::3, ::3])


def test_settings_without_a_change_leave_a_run_as_it_was(dock):
    assert dock.value().preprocess == SegmentSettings().preprocess
