"""The Segment dock with a small engine: what the user does, and what the viewer shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_centermask import widgets


def test_rgb_images_run_with_all_or_with_one_channel(viewer, dock, engine, run_to_end, discs):
    image = np.stack([discs()] * 3, axis=-1)
    viewer.add_image((image * 255).astype(np.uint8), name="discs", rgb=True)
    run_to_end()
    assert viewer.layers["discs cells"].data.shape == image.shape[:2]
    dock.image.channels.set_value([1])
    assert dock.value().channels == [1]
    run_to_end()
    assert len(np.unique(viewer.layers["discs cells"].data)) == 4


def test_multiscale_and_dask_images_run_at_full_resolution(viewer, dock, run_to_end, discs):
    import dask.array as da

    image = discs()
    viewer.add_image([da.from_array(image), da.from_array(image[::2, ::2])], name="discs", multiscale=True)
    run_to_end()
    assert viewer.layers["discs cells"].data.shape == (128, 128)
    assert len(np.unique(viewer.layers["discs cells"].data)) == 4


def test_the_estimate_fills_the_diameter(viewer, dock, qtbot, discs):
    viewer.add_image(discs(), name="discs")
    dock.model.diameter.setValue(0)
    assert not dock.model.circle.isEnabled()
    dock.model.estimate.click()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=10_000)
    assert dock.model.diameter.value() == pytest.approx(20, abs=2.5)


def test_the_estimate_of_a_stack_is_that_of_its_run(viewer, dock, run_to_end, qtbot, discs):
    layer = viewer.add_image(np.stack([discs(radius=r) for r in (14, 6, 14)]), name="discs")
    dock.model.diameter.setValue(0)
    run_to_end()
    dock.model.estimate.click()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=10_000)
    assert dock.session.shown(layer).diameter == pytest.approx(28, abs=3)
    assert dock.model.diameter.value() == pytest.approx(dock.session.shown(layer).diameter, abs=0.1)


def test_settings_survive_the_way_through_the_form(dock):
    from napari_centermask.settings import SegmentSettings

    settings = SegmentSettings(
        model="fake",
        score=0.62,
        diameter=31.5,
        tile=512,
        overlap=64,
        engine="onnx",
        nms=0.5,
        percentiles=(0.5, 99.0),
        min_area=20,
        max_detections=300,
    )
    dock.set_value(settings)
    assert dock.value() == settings


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.full((64, 64), np.nan, np.float32), "NaN"),
        (np.where(np.eye(64) > 0, np.inf, 0.5).astype(np.float32), "infinite"),
        (np.full((64, 64), 7, np.uint8), "contrast"),
        (np.ones((1, 1), np.float32), "1 x 1"),
    ],
)
def test_a_bad_image_gives_one_notification_and_leaves_the_dock_working(
    viewer, dock, run_to_end, notices, discs, image, words
):
    viewer.add_image(image, name="bad")
    run_to_end()
    assert len(notices()) == 1
    assert words in notices()[0]
    assert [x.name for x in viewer.layers] == ["bad"]
    viewer.add_image(discs(), name="discs")
    run_to_end()
    assert "discs cells" in viewer.layers
    assert len(notices()) == 1


def test_five_channels_for_a_model_of_three_start_with_one_and_name_the_remedy_if_all_are_ticked(
    viewer, dock, run_to_end, notices, discs
):
    viewer.add_image(np.stack([discs()] * 5), name="discs", axis_labels=("c", "y", "x"))
    assert dock.value().channels == [0]
    dock.image.channels.set_value(None)
    run_to_end()
    assert len(notices()) == 1
    assert "1 or 3 channels" in notices()[0]
    assert "Channels" in notices()[0]
    dock.image.channels.set_value([2])
    run_to_end()
    assert "discs cells" in viewer.layers


def test_cancel_answers_at_once_while_a_tile_is_computed(viewer, dock, engine, qtbot, discs):
    viewer.add_image(discs(), name="discs")
    engine.gate.clear()
    dock.run.start.click()
    qtbot.waitUntil(engine.entered.is_set, timeout=30_000)
    dock.run.cancel.click()
    assert not dock.session.runner.is_running
    assert dock.run.status.text() == "Cancelled."
    assert dock.run.start.isEnabled()
    dock.run.start.click()
    engine.gate.set()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=30_000)
    assert len(dock.session.result(viewer.layers["discs"])) == 3


def test_no_image_and_a_label_layer_disable_run_and_notify_when_asked(viewer, dock, notices):
    assert not dock.run.start.isEnabled()
    assert "no image layer" in dock.run.start.toolTip()
    viewer.add_labels(np.eye(16, dtype=np.uint8), name="mine")
    assert not dock.run.start.isEnabled()
    dock.start()
    assert len(notices()) == 1
    assert "'mine' is a Labels layer" in notices()[0]


def test_torch_is_refused_with_a_remedy(viewer, dock, engine, run_to_end, notices, discs, monkeypatch):
    from napari_centermask.widgets.work import engine_cache

    monkeypatch.setattr(engine_cache, "find_spec", lambda name: None)
    viewer.add_image(discs(), name="discs")
    run_to_end()
    assert len(notices()) == 1
    assert "pip install openvino" in notices()[0]


def test_a_closed_dock_does_not_stop_its_run(viewer, dock, engine, qtbot, discs):
    viewer.add_image(discs(), name="discs")
    engine.gate.clear()
    dock.run.start.click()
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    engine.gate.set()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=10_000)
    assert "discs cells" in viewer.layers


def test_docks_do_not_import_torch(dock):
    assert not {"torch", "torchvision"} & set(sys.modules)


def test_importing_the_widgets_imports_no_runtime():
    folder = Path(widgets.__file__).parent
    names = [".".join(p.relative_to(folder).with_suffix("").parts) for p in folder.rglob("[a-z]*.py")]
    code = "import sys\n" + "\n".join(f"import napari_centermask.widgets.{name}" for name in names)
    code += "\nprint(*({'torch', 'torchvision', 'onnxruntime', 'openvino', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(names) > 50
    assert done.stdout.strip() == ""


def few_good(discs):
    """One clear disc among eleven faint ones."""
    centres = [(y, x) for y in range(30, 240, 60) for x in range(30, 180, 60)]
    return discs(centres, shape=(256, 192), values=[1.0] + [0.46] * 11)


def test_a_model_that_finds_hardly_anything_is_doubted_until_that_is_put_away(viewer, dock, run_to_end, discs):
    good = viewer.add_image(discs(values=(1.0, 0.95, 0.9)), name="good")
    run_to_end()
    assert dock.doubt.isHidden()
    viewer.add_image(few_good(discs), name="poor")
    run_to_end()
    assert not dock.doubt.isHidden()
    assert dock.doubt.text.text().startswith("'fake' does not seem to suit this image.")
    viewer.layers.selection.active = good
    assert dock.doubt.isHidden()
    viewer.layers.selection.active = viewer.layers["poor"]
    assert not dock.doubt.isHidden()
    next(button for button in dock.doubt.buttons if button.text() == "Close").click()
    assert dock.doubt.isHidden()


@pytest.mark.usefixtures("plugin")
def test_one_button_opens_the_way_to_a_model_of_your_own(viewer, dock, run_to_end, discs):
    from qtpy.QtWidgets import QApplication

    from napari_centermask.widgets.project.dock import ProjectDock
    from napari_centermask.widgets.segment.way_to_own_model import StepsBar

    viewer.add_image(few_good(discs), name="poor")
    run_to_end()
    next(button for button in dock.doubt.buttons if button.text() == "Draw and fine-tune").click()
    docks = " ".join(viewer.window.dock_widgets)
    assert all(name in docks for name in ("Project", "Fine-tune", "Correct"))
    project = next(w for w in QApplication.allWidgets() if isinstance(w, ProjectDock))
    assert project.findChild(StepsBar).text.text().startswith("1. In Project, open the folder of your images.")


def test_a_doubt_ends_with_the_next_run_even_if_that_is_cancelled(viewer, dock, run_to_end, discs, engine, qtbot):
    viewer.add_image(few_good(discs), name="poor")
    run_to_end()
    assert not dock.doubt.isHidden()
    engine.gate.clear()
    engine.entered.clear()
    dock.run.start.click()
    assert engine.entered.wait(20)
    dock.run.cancel.click()
    engine.gate.set()
    qtbot.waitUntil(lambda: not dock.session.runner.is_running, timeout=20_000)
    assert dock.doubt.isHidden()


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("answer", ["Try other", "Draw and fine-tune"])
def test_an_answered_doubt_does_not_come_back_with_the_image(
    viewer, dock, run_to_end, discs, card, monkeypatch, answer
):
    from napari_centermask.models.store import zoo

    model = card.model.model_copy(update={"categories": ["yeast"]})
    other = zoo.ModelFiles("other", card.model_copy(update={"name": "other", "model": model}), weights=None, graphs=())
    known = zoo.list_models()
    monkeypatch.setattr(zoo, "list_models", lambda: [*known, other])
    dock.model.models.reload()
    good = viewer.add_image(discs(values=(1.0, 0.95, 0.9)), name="good")
    poor = viewer.add_image(few_good(discs), name="poor")
    run_to_end()
    next(button for button in dock.doubt.buttons if button.text() == answer).click()
    for image in (good, poor):
        viewer.layers.selection.active = image
        assert dock.doubt.isHidden()


@pytest.fixture
def trained_on_fluorescence(dock, card, monkeypatch):
    """The model in use was trained on fluorescence, and another one on transmitted light."""
    from napari_centermask.models.store import zoo

    cards = {
        name: card.model_copy(update={"name": name, "training": {"images": [kind]}})
        for name, kind in (("fake", "fluorescence"), ("through", "transmitted"))
    }
    files = [zoo.ModelFiles(name, card, weights=None, graphs=()) for name, card in cards.items()]
    monkeypatch.setattr(zoo, "list_models", lambda: files)
    dock.model.models.reload()
    dock.model.describe()


def grey_ground(discs):
    """Cells that are darker than their ground."""
    return 0.8 - 0.5 * discs()


@pytest.mark.usefixtures("trained_on_fluorescence")
def test_a_model_of_another_kind_of_images_is_doubted_before_the_run_and_the_right_one_proposed(
    viewer, dock, qtbot, discs
):
    viewer.add_image(grey_ground(discs), name="phase")
    qtbot.waitUntil(lambda: not dock.doubt.isHidden(), timeout=30_000)
    assert dock.doubt.text.text() == (
        "This image looks like transmitted light (phase contrast, bright field); 'fake' was trained on fluorescence. "
        "Try 'through', or draw about 20 cells and fine-tune."
    )
    assert dock.model.models.currentText() == "fake"  # it proposes, and never switches by itself
    next(button for button in dock.doubt.buttons if button.text() == "Try through").click()
    assert dock.model.models.currentText() == "through"
    assert dock.doubt.isHidden()
    assert dock.model.about.text().endswith(
        "Looks like transmitted light (phase contrast, bright field), which this model was trained on."
    )


@pytest.mark.usefixtures("trained_on_fluorescence")
def test_the_proposal_follows_the_image_and_stays_away_once_it_was_answered(viewer, dock, qtbot, discs):
    phase = viewer.add_image(grey_ground(discs), name="phase")
    qtbot.waitUntil(lambda: not dock.doubt.isHidden(), timeout=30_000)
    dark = viewer.add_image(discs(), name="dark")
    qtbot.waitUntil(lambda: "Looks like" in dock.model.about.text(), timeout=30_000)
    assert dock.doubt.isHidden()
    viewer.layers.selection.active = phase
    assert not dock.doubt.isHidden()
    next(button for button in dock.doubt.buttons if button.text() == "Close").click()
    for layer in (dark, phase):
        viewer.layers.selection.active = layer
        assert dock.doubt.isHidden()
