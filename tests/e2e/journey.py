"""The whole journey in a real napari, step by step, by mouse and keys; test_journey.py and docs/make_tutorial.py walk it.

python tests/e2e/journey.py go FOLDER REPORT [PICTURES]      walks, writes what there is to find, and waits to be killed
python tests/e2e/journey.py again FOLDER REPORT [PICTURES]   opens the project again and writes what it finds
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hands import Hands, answer, is_seen, pick_tab, press, press_titled, type_path, until, write
from napari import Viewer
from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QTabBar, QWidget

from napari_centermask.core.instances import Instance, intersection
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.project import Project
from napari_centermask.jobs.process import Job
from napari_centermask.models.store.zoo import list_models
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.edit.dock import CorrectDock
from napari_centermask.widgets.edit.review_dock import ReviewDock
from napari_centermask.widgets.models.dock import ModelsDock
from napari_centermask.widgets.project.dock import ProjectDock
from napari_centermask.widgets.segment.dock import SegmentDock
from napari_centermask.widgets.training.dock import TrainDock
from napari_centermask.widgets.viewer.samples import FOLDER, OUTLINES, TUTORIAL

DOCKS = {
    SegmentDock: ("Segment", "Segment"),
    CorrectDock: ("Correct", "Correct"),
    ReviewDock: ("Review", "Review"),
    ProjectDock: ("Project", "Project"),
    TrainDock: ("Fine-tune", "Fine-tune"),
    ModelsDock: ("Models", "Models"),
}
SIZE = (1440, 900)
REGION = (8, 8, 400, 504)
"""y0, x0, y1, x1 of a part of the first image."""
SHORT = {"steps": 12, "evaluate_every": 6, "warmup": 2, "batch": 2, "tile": 128, "workers": 0}
"""Two short epochs, which change next to nothing."""
LONGER = {"steps": 100, "evaluate_every": 20, "tile": 128}
"""For pictures: a twentieth of the work of the computed settings."""
LONG_SECONDS = 6000
"""For such a training on a busy machine."""


class Journey:
    """One person's way from the samples to a model of their own; the methods are the steps, in order.

    Parameters
    ----------
    folder
        Where the project goes.
    settings
        What is typed into the form of the fine-tuning.
    picture
        Called at moments worth a picture, with the journey, a name and, if it is not the whole window, a widget.
    """

    def __init__(
        self,
        folder: Path,
        *,
        picture: Callable[[Journey, str, QWidget | None], object] = lambda *_: None,
        settings: dict[str, int] = SHORT,
    ) -> None:
        import napari

        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*SIZE)
        self.folder, self.settings = folder / TUTORIAL, settings
        self._picture = picture
        self.hands = Hands(self.viewer)
        self.first: Instance | None = None
        self.outlines = read_coco(FOLDER / "tutorial" / OUTLINES)

    def picture(self, name: str, widget: QWidget | None = None) -> None:
        """A moment worth a picture."""
        QTest.qWait(200)
        self._picture(self, name, widget)

    def dock(self, kind: type) -> Any:
        """A dock of ours, opened from the menu or brought to the front by its tab."""
        title, entry = DOCKS[kind]
        window = self.viewer.window._qt_window
        bars = [b for b in window.findChildren(QTabBar) if title in [b.tabText(i) for i in range(b.count())]]
        if not window.findChildren(kind):
            self.hands.choose("Plugins", "CenterMask", entry)
        elif bars and bars[0].tabText(bars[0].currentIndex()) != title:
            pick_tab(bars[0], title)
        (dock,) = window.findChildren(kind)
        until(lambda: is_seen(dock), seconds=10, what=title)
        return dock

    @property
    def project(self) -> Project:
        """The open project."""
        return self.dock_there(ProjectDock).project

    def dock_there(self, kind: type) -> Any:
        """A dock that is open, wherever it lies."""
        return self.viewer.window._qt_window.findChildren(kind)[0]

    @property
    def edits(self) -> Any:
        """The correction of the image in view; the hands follow it."""
        session = self.dock_there(ProjectDock).session
        self.hands.edits = edit_session_of(session.session, session.layer)
        return self.hands.edits

    def cell(self, id: int) -> Instance | None:
        """A cell of the image in view."""
        return self.edits.result.get((), id)

    def open_sample(self) -> None:
        """A project of the tutorial's images."""
        dock = self.dock(ProjectDock)
        answer(type_path(self.folder.parent))
        press(dock.head.tutorial)
        until(lambda: dock.session.current == 1)
        until(lambda: not dock.images.without_picture(), seconds=30)
        assert [i.status for i in dock.project.images] == ["untouched"] * 5
        self.picture("project")

    def run(self) -> None:
        """The shipped model finds scraps of the cells, and the dock says that it does not suit."""
        dock = self.dock(SegmentDock)
        until(dock.doubt.isVisible, seconds=30, what="the doubt")
        press(dock.run.start)
        until(lambda: not dock.session.runner.is_running)
        assert dock.session.result(dock.source) is not None, dock.run.status.text()
        assert dock.doubt.isVisible()
        self.picture("segmented")

    def go_the_way_to_an_own_model(self) -> None:
        """Away with the scraps; the message leads on to drawing."""
        dock = self.dock(SegmentDock)
        if dock.result.has_predictions:
            press(dock.cells.clear)
        assert not dock.session.result(dock.source).n_visible()
        press(next(b for b in dock.doubt.buttons if b.text() == "Draw and fine-tune"))
        until(lambda: is_seen(self.dock_there(CorrectDock)), seconds=10, what="Correct")

    def name_the_category(self) -> None:
        """Whole cells are not nuclei."""
        dock = self.dock(ProjectDock)
        pick_tab(dock.tabs.tabBar(), "Categories")
        (id,) = dock.project.categories
        write(dock.categories.lines[id][1], "cell")
        until(lambda: dock.project.categories[id].name == "cell", seconds=5)
        self.picture("category")
        pick_tab(dock.tabs.tabBar(), "Images")

    def draw_two_cells(self) -> None:
        """Two neighbours, corner by corner."""
        self.dock(CorrectDock)
        first, second = neighbours(list(self.outlines[0].instances))
        y, x = middle(first)
        centre = tuple(n // 2 for n in self.edits.result.shape)
        self.hands.press_drag([(y, x), ((y + centre[0]) / 2, (x + centre[1]) / 2), centre])
        self.hands.wheel(y, x, 3)
        self.neighbour = self._draw(second, "drawing")
        self.first = self._draw(first)
        self.picture("drawn")

    def _draw(self, outline: Instance, picture: str = "") -> Instance:
        """Click the corners of a new cell."""
        n = len(self.edits.result)
        self.hands.key("N", Qt.KeyboardModifier.ShiftModifier)
        *points, last = corners_of(outline)
        for point in points:
            self.hands.click(*point)
        if picture:
            self.picture(picture)
        self.hands.double_click(*last)
        until(lambda: len(self.edits.result) == n + 1, seconds=10, what="a new cell")
        (id,) = self.edits.selected
        drawn = self.cell(id)
        shared = intersection(drawn, outline)
        assert shared / (drawn.area + outline.area - shared) > 0.85
        return drawn

    def paint_over_its_neighbour(self) -> None:
        """The brush makes the cell larger and leaves the one beneath it alone."""
        self.hands.key("2")
        before = self.cell(self.first.id)
        self.hands.press_drag([own_pixel(before, self.neighbour), just_inside(self.neighbour, before)])
        self.first = self.cell(self.first.id)
        assert self.first.area > before.area
        assert intersection(self.first, self.neighbour) > intersection(before, self.neighbour)
        assert self.cell(self.neighbour.id) is self.neighbour
        self.picture("painted")

    def split(self) -> None:
        """A line through the cell makes two of it."""
        n = len(self.edits.result)
        y, x = middle(self.first)
        reach = max(self.first.mask.shape)
        self.hands.key("K")
        self.hands.press_drag([(y - reach, x + 1), (y, x), (y + reach, x - 1)])
        until(lambda: len(self.edits.result) == n + 1, seconds=10, what="split")
        self.picture("split")

    def undo(self) -> None:
        """Ctrl-Z takes the split back, to the bit."""
        self.hands.key("Z", Qt.KeyboardModifier.ControlModifier)
        assert self.cell(self.first.id).equals(self.first)

    def bring_the_others(self) -> None:
        """The outlines of all other cells, as if they were drawn, too."""
        dock = self.dock(ProjectDock)

        def act(dialog: QWidget) -> None:
            type_path(self.folder / OUTLINES)(dialog)
            answer(
                lambda box: (self.picture("import", box), press_titled("OK")(box))
            )  # not with the dialog that closes

        answer(act)
        press(dock.head.bring)
        n = sum(len(record.instances) for record in self.outlines)
        until(lambda: sum(len(self.project.result(i.id)) for i in self.project.images) == n, seconds=30, what="import")
        assert self.cell(self.first.id).equals(self.first)
        assert [c.name for c in self.project.categories.values()] == ["cell"]
        self.picture("imported")

    def mark_a_region(self) -> None:
        """A rectangle in which all is right and complete."""
        dock = self.dock(ReviewDock)
        press(self.viewer.window._qt_viewer.viewerButtons.resetViewButton)
        pick_tab(dock.tabs.tabBar(), "Regions")
        press(dock.regions.draw)
        y0, x0, y1, x1 = REGION
        self.hands.press_drag([(y0, x0), ((y0 + y1) / 2, (x0 + x1) / 2), (y1, x1)])
        until(lambda: self.edits.result.reviewed(()), seconds=10, what="region")
        assert np.abs(np.subtract(self.edits.result.reviewed(())[0], REGION)).max() <= 2
        self.picture("region")

    def export(self) -> None:
        """COCO, after the check."""
        dock = self.dock(ProjectDock)

        def act(dialog: QWidget) -> None:
            self.picture("export", dialog)
            press(dialog.start)

        answer(act)
        press(dock.head.export)
        records = read_coco(self.folder / "export" / "annotations.json")
        assert [len(r.instances) for r in records] == [len(r.instances) for r in self.outlines]
        same = [c for c in records[0].instances if (c.y0, c.x0) == (self.first.y0, self.first.x0)]
        assert any(np.array_equal(c.mask, self.first.mask) for c in same)

    def review_all(self) -> None:
        """All four images with outlines are right as a whole."""
        dock = self.dock(ProjectDock)
        for following in range(2, 6):
            press(dock.navigation.done)
            until(lambda following=following: dock.session.current == following, seconds=30)
        assert [i.status for i in dock.project.images] == ["reviewed"] * 4 + ["untouched"]
        until(lambda: sum(isinstance(layer, Image) for layer in self.viewer.layers) == 1, seconds=30)
        self.picture("reviewed")

    def fine_tune(self) -> None:
        """Start, with some settings typed into the form, and see the curves move."""
        dock = self.dock(TrainDock)
        assert dock.source.is_project
        press(dock.advanced.fold.toggleButton())
        until(lambda: dock.plan is not None, what=dock.start.about.text())
        for fold in dock.advanced.form.training.folds.values():
            press(fold.toggleButton())
        for name, value in self.settings.items():
            write(dock.advanced.form.training.rows[name].control.native, str(value))
        self.picture("settings")
        press(dock.advanced.fold.toggleButton())
        press(dock.start.start)
        until(lambda: dock.training.job is not None, what=dock.start.about.text())
        state = lambda: dock.training.state  # noqa: E731
        ended = lambda: state().state == "failed"  # noqa: E731
        until(lambda: ("AP" in state().scores and state().losses) or ended(), seconds=LONG_SECONDS)
        assert not ended(), dock.failure.text.text()
        until(lambda: dock.progress_curves.curves.plots[0].lines, seconds=5)
        drawn = points_of(dock)
        enough = 2 if self.settings is SHORT else 5
        until(lambda: len(state().scores["AP"].steps) >= enough or ended(), seconds=LONG_SECONDS)
        assert not ended(), dock.failure.text.text()
        until(lambda: points_of(dock) > drawn or not dock.training.is_alive)
        self.picture("training")
        assert points_of(dock) > drawn
        assert dock.progress_curves.picture.image is not None

    def compare(self) -> None:
        """The end of the training: both models on images that neither was trained on."""
        dock = self.dock(TrainDock)
        until(lambda: not dock.training.is_alive, seconds=LONG_SECONDS, what=dock.progress.title.text())
        assert dock.training.state.state == "done", dock.failure.text.text()
        until(dock.new_model.isVisible, seconds=10)
        assert dock.comparison.isVisible()
        assert dock.comparison.figures.topLevelItemCount() > 3
        assert not dock.training.installed
        self.picture("compared")

    def install(self) -> None:
        """One button; it asks where the comparison advises against it."""
        dock = self.dock(TrainDock)
        asked = []
        if not dock.comparison.compared.is_recommended:
            answer(lambda box: (asked.append(box), self.picture("question", box), press_titled("Yes")(box)))
        press(dock.new_model.install)
        until(lambda: dock.training.installed, what=dock.new_model.status.text())
        assert bool(asked) is not dock.comparison.compared.is_recommended
        assert dock.training.installed in [m.name for m in list_models()]
        self.picture("installed")

    def predict_the_next(self) -> None:
        """The new model segments the next image that was not reviewed."""
        dock = self.dock(TrainDock)
        press(dock.new_model.predict)
        projects = dock.projects
        until(lambda: self.project.status(5) == "predicted", what=dock.progress.title.text())
        until(lambda: not projects.session.runner.is_running)
        assert projects.current == 5
        assert {c.source for c in self.edits.result} <= {dock.training.installed}
        press(self.viewer.window._qt_viewer.viewerButtons.resetViewButton)
        self.picture("predicted")

    def accept(self) -> None:
        """The review dock's button; the queue goes on to the next uncertain cell."""
        dock = self.dock(ReviewDock)
        if not self.edits.result.n_visible():  # two short epochs need not find any
            return
        press(dock.judging.next)
        (id,) = self.edits.selected
        press(dock.judging.accept)
        assert self.cell(id).status == "accepted"
        until(lambda: dock.judging.count.text().startswith("<b>1 "), seconds=5, what=dock.judging.count.text())
        self.picture("accepted")

    def one_last_stroke(self) -> None:
        """Right before the end: a new cell."""
        self.dock(CorrectDock)
        self.hands.key("N")
        y, x = (n // 2 for n in self.edits.result.shape)
        self.hands.press_drag([(y, x), (y + 12, x + 12)])
        assert self.cell(self.edits.selected[0]).status == "accepted"

    def open_again(self) -> None:
        """Another napari opens the project of the one that was killed."""
        dock = self.dock(ProjectDock)
        answer(type_path(self.folder))
        press(dock.head.open)
        until(lambda: dock.project is not None and dock.session.current)
        assert "recovered" in dock.message.text.text()
        until(lambda: not dock.images.without_picture(), seconds=30)
        self.picture("recovered")
        press(dock.message.buttons[0])

    def find_the_models(self) -> None:
        """The run in the dock that made it, and the model with its lineage."""
        train = self.dock(TrainDock)
        until(lambda: train.training.installed, what=train.progress.title.text())
        until(train.comparison.isVisible, seconds=10)
        models = self.dock(ModelsDock)
        until(lambda: train.training.installed in [e.model.name for e in models.inventory.entries])
        tree = models.list.tree
        item = next(
            i for i in map(tree.topLevelItem, range(tree.topLevelItemCount())) if i.text(0) == train.training.installed
        )
        press(tree.viewport(), at=tree.visualItemRect(item).center())
        assert models.entry.model.name == train.training.installed
        assert models.entry.model.card.model.categories == ["cell"]
        self.picture("models")

    def found(self) -> dict[str, Any]:
        """Everything that another session must find again."""
        train = self.dock_there(TrainDock)
        state, images = train.training.state, self.project.images
        run = {name: (curve.steps, curve.values) for name, curve in (state.losses | state.scores).items()}
        own = {m.name: [m.card.parent, m.card.training["parent_sha256"]] for m in list_models() if not m.shipped}
        return {
            "images": {i.file_name: [i.status, cells_of(self.project, i.id)] for i in images},
            "reviewed": {i.file_name: self.project.result(i.id).reviewed(()) for i in images},
            "run": [train.training.job.name, state.state, run],
            "verdict": train.comparison.compared.sentence,
            "installed": train.training.installed,
            "models": own,
        }


GO = (
    Journey.open_sample,
    Journey.run,
    Journey.go_the_way_to_an_own_model,
    Journey.name_the_category,
    Journey.draw_two_cells,
    Journey.paint_over_its_neighbour,
    Journey.split,
    Journey.undo,
    Journey.bring_the_others,
    Journey.mark_a_region,
    Journey.export,
    Journey.review_all,
    Journey.fine_tune,
    Journey.compare,
    Journey.install,
    Journey.predict_the_next,
    Journey.accept,
    Journey.one_last_stroke,
)
AGAIN = (Journey.open_again, Journey.find_the_models)


def cells_of(project: Project, id: int) -> list[list[Any]]:
    """All cells of an image with every field, pixels in hex."""
    cells = sorted(project.result(id), key=lambda c: c.id)
    return [
        [c.id, c.y0, c.x0, *c.mask.shape, np.packbits(c.mask).tobytes().hex(), c.category, c.score, c.mask_quality]
        + [c.status, c.source, c.order, list(c.probabilities)]
        for c in cells
    ]


def neighbours(cells: list[Instance]) -> tuple[Instance, Instance]:
    """The two cells that lie closest to each other of those that touch no edge and no other cell; the smaller one first."""
    height, width = 512, 512
    inside = [c for c in cells if min(c.box[:2]) > 20 and c.box[2] < height - 20 and c.box[3] < width - 20]
    places = np.array([middle(c) for c in inside])
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    first, second = sorted((inside[k] for k in np.unravel_index(apart.argmin(), apart.shape)), key=lambda c: c.area)
    return first, second


def corners_of(cell: Instance) -> list[tuple[float, float]]:
    """Corners of a polygon around a cell, within two pixels."""
    from skimage.measure import approximate_polygon, find_contours

    outline = max(find_contours(np.pad(cell.mask, 1).astype(float), 0.5), key=len)
    return [(float(y), float(x)) for y, x in approximate_polygon(outline, 2.0)[:-1] + (cell.y0 - 1, cell.x0 - 1)]


def middle(cell: Instance) -> tuple[int, int]:
    """The pixel of a cell that is nearest to its mean."""
    ys, xs = np.nonzero(cell.mask)
    nearest = np.argmin(np.hypot(ys - ys.mean(), xs - xs.mean()))
    return int(cell.y0 + ys[nearest]), int(cell.x0 + xs[nearest])


def own_pixel(cell: Instance, other: Instance) -> tuple[int, int]:
    """The pixel of a cell that is farthest from another cell's middle, a little inside."""
    from scipy.ndimage import binary_erosion

    inside = binary_erosion(np.pad(cell.mask, 1), iterations=2)[1:-1, 1:-1]
    ys, xs = np.nonzero(inside if inside.any() else cell.mask)
    y, x = middle(other)
    farthest = np.argmax(np.hypot(ys + cell.y0 - y, xs + cell.x0 - x))
    return int(cell.y0 + ys[farthest]), int(cell.x0 + xs[farthest])


def just_inside(cell: Instance, other: Instance) -> tuple[int, int]:
    """The pixel of a cell that is nearest to another cell's middle."""
    ys, xs = np.nonzero(cell.mask)
    y, x = middle(other)
    nearest = np.argmin(np.hypot(ys + cell.y0 - y, xs + cell.x0 - x))
    return int(cell.y0 + ys[nearest]), int(cell.x0 + xs[nearest])


def points_of(dock: TrainDock) -> int:
    """How many points the plots show."""
    lines = [line for plot in dock.progress_curves.curves.plots for line in plot.lines.values()]
    return sum(len(line.getData()[0]) for line in lines if line.getData()[0] is not None)


def walk(what: str, folder: Path, report: Path, pictures: Path | None = None) -> None:
    """Walk in this process, write what there is to find, and, with "go", wait to be killed."""
    import napari

    Job.start.__func__.__kwdefaults__["nice"] = 0  # a loaded machine would let the training wait for minutes
    shoot = (
        {}
        if pictures is None
        else {"picture": lambda journey, *what: save(journey, pictures, *what), "settings": LONGER}
    )
    start, journey = time.monotonic(), Journey(folder, **shoot)
    for step in GO if what == "go" else AGAIN:
        print(f"{time.monotonic() - start:.0f} s {step.__name__}", flush=True)
        try:
            step(journey)
        except BaseException:
            journey.viewer.screenshot(str(report.with_suffix(".png")), canvas_only=False, flash=False)
            traceback.print_exc()
            os._exit(1)  # no last words of napari's
    assert not {"torch", "torchvision"} & set(sys.modules)
    part = report.with_suffix(".part")
    part.write_text(json.dumps(journey.found()), encoding="utf-8")
    part.replace(report)
    print(f"{time.monotonic() - start:.0f} s", flush=True)
    if what == "go":
        napari.run()  # until it is killed
    else:
        journey.viewer.close()


class Drawn:
    """Whether the canvas shows something, and the same as at the last look: a busy machine draws late."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer, self._last = viewer, np.zeros(0)

    def __call__(self) -> bool:
        last, self._last = self._last, self._viewer.screenshot(canvas_only=True, flash=False)
        return np.array_equal(last, self._last) and (self._last[..., :3].std() > 0 or not len(self._viewer.layers))


def save(journey: Journey, folder: Path, name: str, widget: QWidget | None = None) -> None:
    """Write the window, or a widget of its own, as a picture."""
    path = str(folder / f"tutorial_{name}.png")
    if widget is None:
        until(Drawn(journey.viewer), seconds=60, what="canvas")
        journey.viewer.screenshot(path, canvas_only=False, flash=False)
    else:
        widget.grab().save(path)


def walk_killed_and_again(folder: Path, *, pictures: Path | None = None, seconds: float = 900) -> tuple[dict, dict]:
    """Walk in a process that is killed at the end, and look in another one; returns what each tells.

    Raises
    ------
    AssertionError
        With the last words of a process that failed, and where its picture lies.
    """
    reports = []
    for what in ("go", "again"):
        report, log = folder / f"{what}.json", folder / f"{what}.log"
        words = [sys.executable, __file__, what, folder, report, *([pictures] if pictures else [])]
        with log.open("wb") as stream:
            child = subprocess.Popen(words, stdout=stream, stderr=subprocess.STDOUT)
        end = time.monotonic() + seconds
        while child.poll() is None and time.monotonic() < end and not (what == "go" and report.exists()):
            time.sleep(0.1)
        child.kill()
        child.wait()
        assert report.exists(), f"{log.read_text(encoding='utf-8')[-6000:]}\nSee {report.with_suffix('.png')}"
        reports.append(json.loads(report.read_text(encoding="utf-8")))
    return reports[0], reports[1]


if __name__ == "__main__":
    walk(sys.argv[1], *map(Path, sys.argv[2:]))
