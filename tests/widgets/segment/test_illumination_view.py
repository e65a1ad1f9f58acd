"""The corrected image is a layer over the image."""

import numpy as np

from napari_centermask.core.illumination import Corrected
from napari_centermask.pipeline.correction import correction_of, preview
from napari_centermask.settings import PreprocessSettings


def test_the_corrected_image_is_laid_over_the_image_and_follows_the_settings(viewer, dock, wait, uneven):
    layer = viewer.add_image(uneven, name="discs", scale=(0.5, 0.5))
    box = dock.illumination.box
    box.form.set_value({"background": "tophat", "background_size": 40.0})
    assert not box.before.isEnabled()
    box.show_corrected.click()
    wait()
    shown = viewer.layers["discs corrected"]
    how = PreprocessSettings(background="tophat", background_size=40.0)
    np.testing.assert_array_equal(shown.data, Corrected(uneven[None], correction_of(how, 1.0))[:][0])
    np.testing.assert_array_equal(shown.scale, layer.scale)
    assert viewer.layers.selection.active.name == "discs"
    box.form.rows["denoise"].control.value = "median"
    wait()
    how = how.model_copy(update={"denoise": "median"})
    np.testing.assert_array_equal(shown.data, Corrected(uneven[None], correction_of(how, 1.0))[:][0])
    dock.model.diameter.setValue(40.0)  # the model's cells are 20 pixels wide: sizes count twice as many pixels
    wait()
    np.testing.assert_array_equal(shown.data, Corrected(uneven[None], correction_of(how, 0.5))[:][0])
    box.before.pressed.emit()
    assert not shown.visible
    box.before.released.emit()
    assert shown.visible
    box.show_corrected.click()
    assert "discs corrected" not in viewer.layers


def test_the_plane_and_channel_in_view_are_shown(viewer, dock, uneven, wait):
    stack = np.stack([np.stack([uneven + 10 * t, uneven * 2 + t]) for t in range(3)])
    viewer.add_image(stack, name="stack", axis_labels=("t", "c", "y", "x"))
    dock.illumination.box.show_corrected.click()
    viewer.dims.set_current_step(0, 2)
    viewer.dims.set_current_step(1, 1)
    wait()
    np.testing.assert_array_equal(viewer.layers["stack corrected"].data, stack[2, 1])


def test_a_flat_field_that_does_not_fit_is_reported_below_the_button(viewer, dock, wait, tmp_path, uneven):
    np.save(tmp_path / "flat.npy", np.ones((9, 9)))
    viewer.add_image(uneven, name="discs")
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
