"""Make the pictures in docs/images from a real napari with real cells.

xvfb-run -a -s "-screen 0 1600x1000x24" python docs/make_screenshots.py [--only NAME]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QScrollArea

from napari_centermask.core.instances import Instance, Instances, intersection
from napari_centermask.core.result import Result
from napari_centermask.widgets.parts.put_away import PUT_AWAY
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of

IMAGES = Path(__file__).parent / "images"
PLUGIN = "napari-centermask"
SIZE = (1440, 900)
LONGEST_S = 300


class Scene:
    """A napari window with a sample and the dock Segment."""

    def __init__(self, sample: str | np.ndarray, **layer: Any) -> None:
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*SIZE)
        if isinstance(sample, str):
            self.layer = self.viewer.open_sample(PLUGIN, sample)[0]
        else:
            self.layer = self.viewer.add_image(sample, **layer)
        _, self.dock = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
        self.settle()
        self.viewer.reset_view()

    def run(self) -> None:
        """Press Run and wait for the cells."""
        self.dock.run.start.click()
        self.wait()

    def estimate(self) -> None:
        """Press Estimate and wait for the diameter."""
        self.dock.model.estimate.click()
        self.wait()

    def wait(self) -> None:
        """Turn the event loop until the run has ended."""
        end = time.monotonic() + LONGEST_S
        while self.dock.session.runner.is_running:
            QTest.qWait(20)
            if time.monotonic() > end:
                raise TimeoutError("The run did not end.")
        self.settle()

    def settle(self) -> None:
        """Let Qt lay out and draw."""
        for _ in range(30):
            QApplication.processEvents()

    def zoom(self, factor: float, *, centre: tuple[float, float] | None = None) -> None:
        """Zoom about a point in world coordinates, relative to the whole image."""
        camera = getattr(self.viewer, "scene", self.viewer).camera
        camera.zoom *= factor
        if centre is not None:
            camera.center = (0, *centre)

    def save(self, name: str) -> None:
        """Write the window as a picture and close it."""
        self.settle()
        self.viewer.screenshot(str(IMAGES / f"{name}.png"), canvas_only=False, flash=False)
        print(f"{name}: {self.dock.run.status.text()}")
        self.viewer.close()


def segment() -> None:
    """The README's picture: nuclei found at the first click."""
    scene = Scene("nuclei_fluorescence")
    scene.run()
    scene.save("segment")


def overlapping() -> None:
    """Overlapping cells stay whole; their common part is hatched."""
    scene = Scene("nuclei_overlapping")
    scene.run()
    scene.save("overlapping")


def histology() -> None:
    """H&E, all three channels."""
    scene = Scene("nuclei_histology")
    scene.run()
    scene.save("histology")


def diameter() -> None:
    """The estimated diameter as a circle."""
    scene = Scene("nuclei_fluorescence")
    scene.zoom(2.0, centre=(112, 210))
    scene.settle()
    scene.estimate()
    scene.dock.model.circle.setChecked(True)
    scene.save("diameter")


def threshold() -> None:
    """Colours by score, a low threshold, and the advanced settings."""
    scene = Scene("nuclei_screen")
    scene.run()
    scene.dock.cells.colours.setCurrentIndex(scene.dock.cells.colours.findData("score"))
    scene.dock.cells.score._spin.setValue(0.3)
    scene.dock.advanced.fold.expand(False)
    scene.save("threshold")


def review() -> None:
    """The review dock at the most uncertain cell."""
    scene = Scene("nuclei_overlapping")
    scene.run()
    _, dock = scene.viewer.window.add_plugin_dock_widget(PLUGIN, "Review", tabify=True)
    QTest.qWait(1500)
    dock.judging.next.click()
    for _ in range(6):
        dock.judging.accept.click()
    camera = getattr(scene.viewer, "scene", scene.viewer).camera
    camera.zoom *= 0.4
    QTest.qWait(300)
    dock.raise_()
    scene.save("review")


def project() -> None:
    """The project dock on a folder of the samples."""
    from napari_centermask.widgets.viewer.samples import FOLDER

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "experiment 3"
        folder.mkdir()
        for path in sorted(FOLDER.glob("nuclei*.png")):
            shutil.copy(path, folder)
        viewer = napari.Viewer(show=True)
        viewer.window.resize(*SIZE)
        _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Project")
        dock.open(folder)
        dock.session.predictions.follow(0)
        dock.background.wanted.setChecked(True)
        end = time.monotonic() + LONGEST_S
        while dock.project.status(2) != "predicted" and time.monotonic() < end:
            QTest.qWait(50)
        dock.project.set_status(1, "reviewed")
        dock.show_image(2)
        QTest.qWait(1000)
        viewer.screenshot(str(IMAGES / "project.png"), canvas_only=False, flash=False)
        dock.background.wanted.setChecked(False)
        QTest.qWait(3000)
        dock.session.close()
        viewer.close()
        print("project")


def correct() -> None:
    """One cell of a cluster lifted out of its neighbours, with the tools beside it."""
    scene = Scene("nuclei_overlapping")
    scene.run()
    _, dock = scene.viewer.window.add_plugin_dock_widget(PLUGIN, "Correct", tabify=True)
    edits = dock.edits
    cells = list(edits.result.visible(()))
    crowded = max(cells, key=lambda a: sum(intersection(a, b) for b in cells if b is not a))
    edits.select((crowded.id,), centre=True)
    scene.zoom(2.5)
    edits.run_tool("grow", n=2)
    dock.parent().raise_()
    edits.active.layer.mode = "paint"
    QTest.qWait(300)
    scene.save("correct")


def illumination() -> None:
    """An image before and after correction; the uneven light was laid over the sample."""
    scene = Scene("nuclei_fluorescence")
    image = np.asarray(scene.layer.data).astype(np.float32)
    y, x = (np.linspace(-1, 1, n) for n in image.shape)
    light = 1.1 - 0.5 * np.hypot(y[:, None] + 0.5, x[None] - 0.6)
    scene.layer.data = ((image * 20 + 2000) * light).astype(np.uint16)
    scene.layer.contrast_limits = np.percentile(scene.layer.data, (1, 99.8))
    box = scene.dock.illumination.box
    box.form.set_value({"background": "rolling_ball", "background_size": 60.0})
    box.fold.expand(False)
    box.show_corrected.click()
    end = time.monotonic() + LONGEST_S
    while scene.dock.illumination.corrected.is_working and time.monotonic() < end:
        QTest.qWait(50)
    getattr(scene.viewer, "canvas", scene.viewer).grid.enabled = True
    scene.viewer.reset_view()
    QTest.qWait(500)
    scene.dock.findChild(QScrollArea).ensureWidgetVisible(box)
    scene.save("illumination")


def _chamber() -> tuple[Scene, Any]:
    """Fields of a counting chamber (ldc_livedead, MIT; its test images) with the cells of `live-dead`, and the dock."""
    from napari_centermask.io.images import read_plane

    data = Path(os.environ.get("NCM_SHARED", IMAGES.parents[2] / "shared")) / "data" / "ldc_livedead"
    images = json.loads((data / "annotations_test.json").read_text(encoding="utf-8"))["images"]
    fields = [read_plane(data / "images" / i["file_name"])[0] for i in images if i["height"] == 219][:10]
    scene = Scene(np.stack(fields), name="counting chamber", axis_labels=("field", "y", "x"))
    models = scene.dock.model.models
    models.setCurrentIndex(models.findText("live-dead"))
    models.activated.emit(models.currentIndex())
    scene.run()
    _, dock = scene.viewer.window.add_plugin_dock_widget(PLUGIN, "Viability", tabify=True)
    return scene, dock


def viability() -> None:
    """Living and dead cells by a threshold."""
    scene, dock = _chamber()
    dead = dock.viability.counts().numbers[:, -1]
    scene.viewer.dims.set_current_step(0, int(dead.argmax()))
    dock.threshold.slider._spin.setValue(0.45)
    QTest.qWait(1500)
    dock.parent().raise_()
    scene.viewer.reset_view()
    scene.save("viability")


def measure() -> None:
    """Nuclei that are selected in a scatter plot, marked in the image."""
    scene = Scene("nuclei_fluorescence")
    scene.layer.scale, scene.layer.units = (0.65, 0.65), ("um", "um")
    scene.viewer.reset_view()
    scene.run()
    frame, dock = scene.viewer.window.add_plugin_dock_widget(PLUGIN, "Measure")
    frame.raise_()
    end = time.monotonic() + LONGEST_S
    while dock.runner.is_running or not len(dock.measured.ids):
        QTest.qWait(50)
        if time.monotonic() > end:
            raise TimeoutError("The cells were not measured.")
    dock.tabs.setCurrentWidget(dock.scatter)
    scene.settle()
    areas = dock.measured.columns["area_um2"]
    dock.select(dock.measured.ids[areas < np.percentile(areas, 12)].tolist())
    QTest.qWait(800)
    scene.save("measure")


def classify() -> None:
    """The same cells by model and classifier together."""
    scene, dock = _chamber()
    box = dock.classification.box
    box.fold.expand(False)
    box.mean.setChecked(True)
    box.run.start.click()
    while dock.classification.runner.is_running:
        QTest.qWait(20)
    scene.viewer.dims.set_current_step(0, 1)
    dock.threshold.colours.setCurrentIndex(1)
    dock.threshold.colours.activated.emit(1)
    QTest.qWait(1500)
    dock.parent().raise_()
    scene.viewer.reset_view()
    scene.save("classify")


def tracks() -> None:
    """Cells that move and divide, with their tracks."""
    image, result = _series()
    scene = Scene(image, name="series", axis_labels=("t", "y", "x"))
    session_of(scene.viewer).attach(scene.layer, ImagePlanes.of(scene.layer), result)
    _, dock = scene.viewer.window.add_plugin_dock_widget(PLUGIN, "Tracks", tabify=True)
    scene.settle()
    dock.follow.follow.click()
    while dock.following.runner.is_running:
        QTest.qWait(20)
    scene.viewer.dims.set_current_step(0, 14)
    dock.correct.tools["link"].click()
    QTest.qWait(1500)
    dock.parent().raise_()
    scene.viewer.reset_view()
    scene.save("tracks")


def compress() -> None:
    """INT8 of the small U-Net, on the fluorescence samples."""
    from napari_centermask.widgets.viewer.samples import FOLDER

    scene = Scene("nuclei_fluorescence_small")
    scene.run()
    with tempfile.TemporaryDirectory() as temporary:
        images = Path(temporary) / "my images"
        images.mkdir()
        for name in ("nuclei_fluorescence.png", "nuclei_fluorescence_small.png"):
            shutil.copy(FOLDER / name, images)
        _, dock = scene.viewer.window.add_plugin_dock_widget(PLUGIN, "Compress", tabify=True)
        dock.form.model.choose("unet-nuclei")
        dock.add_data(images)
        scene.settle()
        dock.run.start.click()
        end = time.monotonic() + LONGEST_S
        while dock.runner.is_running and time.monotonic() < end:
            QTest.qWait(50)
        dock.parent().raise_()
        scroll = dock.findChild(QScrollArea)
        scroll.verticalScrollBar().setValue(scroll.verticalScrollBar().maximum())
        scene.save("compress")


def _series() -> tuple[np.ndarray, Result]:
    """Drawn cells that move, overlap and divide: image and cells of 24 frames."""
    rng = np.random.default_rng(5)
    size, frames = 360, 24
    result = Result((size, size), leading=(frames,), name="series.tif")
    image = np.zeros((frames, size, size), np.float32)
    yy, xx = np.mgrid[:size, :size]
    places, speeds = rng.uniform(30, size - 30, (26, 2)), rng.normal(0, 3, (26, 2))
    radii, split = rng.uniform(9, 15, (26, 2)), {4: 9, 11: 6, 17: 12}
    ids = list(range(26))
    for at in range(frames):
        plane = Instances(result.shape)
        for n in ids:
            (y, x), (a, b) = places[n], radii[n]
            mask = ((yy - y) / a) ** 2 + ((xx - x) / b) ** 2 <= 1
            if mask.any():
                image[at] += 0.6 * np.clip(1.4 - np.hypot((yy - y) / a, (xx - x) / b), 0, 1)
                plane.add(Instance.from_mask(mask, id=result.new_id(), status="accepted"))
        result.put((at,), plane, keep_ids=True)
        image[at] += rng.normal(0.1, 0.02, (size, size))
        for mother in [n for n, when in split.items() if when == at]:
            radii[mother] *= 0.72
            places = np.vstack([places, places[mother] + (0, 9)])
            places[mother] -= (0, 9)
            speeds, radii = np.vstack([speeds, (0, 2)]), np.vstack([radii, radii[mother]])
            speeds[mother] = 0, -2
            ids.append(len(places) - 1)
        speeds = 0.8 * speeds + rng.normal(0, 1.5, speeds.shape)
        places = np.clip(places + speeds, 14, size - 14)
    return image, result


SCENES: dict[str, Callable[[], None]] = {
    s.__name__: s
    for s in (
        segment,
        overlapping,
        histology,
        diameter,
        threshold,
        correct,
        review,
        project,
        illumination,
        measure,
        viability,
        classify,
        tracks,
        compress,
    )
}


def main() -> None:
    """Make all pictures, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=SCENES)
    only = parser.parse_args().only
    IMAGES.mkdir(exist_ok=True)
    for name, scene in SCENES.items():
        if only in (None, name):
            with tempfile.TemporaryDirectory() as home:  # no scene is offered the unsaved work of another
                os.environ["NAPARI_CENTERMASK_HOME"] = home
                PUT_AWAY.put_away()  # the hints, which a person sees at first only
                scene()


if __name__ == "__main__":
    main()
