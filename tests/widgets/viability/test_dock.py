"""The viability dock with real cells: a slider that is dragged, colours on the canvas, one edit, counts, tables."""

import csv

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QImage
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QStyle, QStyleOptionSlider

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.io.project import Project
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import ModelSettings
from napari_centermask.widgets.parts.colours import category_colour
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.viewer.state import session_of

SHAPE = (120, 160)
KINDS = {1: "live", 2: "dead"}
LIVE, DEAD = 1, 2


def disc(id, y, x, p=None, radius=8, **fields):
    """A cell that is dead with the probability p."""
    yy, xx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    fields.setdefault("score", 0.95)
    fields.setdefault("category", 1 if p is None or p < 0.5 else 2)
    probabilities = () if p is None else (1 - p, p)
    mask = np.hypot(yy, xx) <= radius
    return Instance.from_mask(mask, (y - radius, x - radius), id=id, probabilities=probabilities, **fields)


def field(first=0):
    """Six cells: four that follow, one that a person categorised, one without probabilities."""
    return [
        disc(first + 1, 20, 20, 0.1),
        disc(first + 2, 20, 60, 0.4),
        disc(first + 3, 60, 20, 0.62),
        disc(first + 4, 60, 60, 0.95),
        disc(first + 5, 100, 60, 0.95, category=1, status="corrected"),
        disc(first + 6, 100, 100),
    ]


@pytest.fixture
def card():
    """Of the fake engine's model: it knows two categories."""
    model = ModelSettings(in_channels=3, categories=["live", "dead"], top_levels=0)
    return ModelCard(name="fake", licence="CC0-1.0", model=model, diameter=20.0, percentiles=(0.0, 100.0))


@pytest.fixture
def open_dock(viewer, qtbot):
    """A viability dock on an image with these cells, by plane."""
    from napari_centermask.widgets.viability.dock import ViabilityDock

    docks = []

    def opened(planes, *, leading=(), categories=KINDS, **layer):
        image = viewer.add_image(np.zeros((*leading, *SHAPE), np.float32), name="field", **layer).__wrapped__
        result = Result(SHAPE, leading=leading, name="field")
        for index, cells in planes.items():
            result.put(index, Instances(SHAPE, cells, categories=categories), keep_ids=True)
        result.categories = dict(categories)
        session_of(viewer).attach(image, ImagePlanes.of(image), result)
        dock = ViabilityDock(viewer)
        viewer.window.add_dock_widget(dock, name="CenterMask: Viability")
        docks.append(dock)
        return dock

    yield opened
    for dock in docks:
        dock._settle()
        dock.refresh()
        session_of(viewer).settle()


def kinds(dock, plane=()):
    return [c.category for c in dock.viability.edits.result.plane(plane)]


def handle(slider):
    """The middle of a slider's handle."""
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    style = slider.style()
    box = style.subControlRect(QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, slider)
    return box.center()


def drag(dock, *values, release=True):
    """Drag the slider's handle with the mouse over these values; returns the last place."""
    slider = dock.threshold.slider._slider
    place = handle(slider)
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, pos=place)
    for value in values:
        step = 1 if value * 100 > slider.value() else -1
        for _ in range(2000):
            if slider.value() == round(value * 100):
                break
            place += QPoint(step, 0)
            QTest.mouseMove(slider, place)
        assert slider.value() == pytest.approx(100 * value, abs=2)
    if release:
        QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=place)
    return place


def shown(dock, plane=()):
    """What each cell of a plane is by its colour: in its middle, and on its edge."""
    layer, chosen = dock.viability.layer.layer, dock.viability.edits.result.colours
    names = []
    for cell in dock.viability.edits.result.plane(plane):
        y, x = cell.y0 + cell.mask.shape[0] // 2, cell.x0 + cell.mask.shape[1] // 2
        values = layer.data[plane][[y, cell.y0], [x, x]]
        colours = layer.colormap.map(values)
        named = [
            next((k for k in (*KINDS, 3) if np.allclose(c[:3], category_colour(k, chosen)[:3], atol=1e-4)), "mixed")
            for c in colours
        ]
        assert named[1] != "mixed"
        names.append(named[0] if named[0] == named[1] else tuple(named))
    return names


def test_while_the_slider_is_dragged_colours_and_counts_follow_and_no_cell_changes(viewer, open_dock):
    dock = open_dock({(): field()})
    result = dock.viability.edits.result
    assert shown(dock) == kinds(dock) == [1, 1, 2, 2, 1, 1]
    assert dock.counts.summary.image.text() == "Image: 4 live, 2 dead. Viability <b>66.7 %</b>"
    slider, place = dock.threshold.slider._slider, drag(dock, 0.3, release=False)
    assert shown(dock) == [1, 2, 2, 2, 1, 1]
    assert dock.counts.summary.image.text() == "Image: 3 live, 3 dead. Viability <b>50.0 %</b>"
    assert kinds(dock) == [1, 1, 2, 2, 1, 1]
    assert dock.viability.edits.history.undo_name is None
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=place)
    assert kinds(dock) == shown(dock) == [1, 2, 2, 2, 1, 1]
    assert {c.status for c in result} == {"predicted", "corrected"}
    assert dock.viability.edits.history.undo_name == f"threshold {dock.viability.threshold:.2f} for dead"


def test_a_drag_is_one_edit_that_undo_takes_back_with_the_slider(viewer, open_dock):
    dock = open_dock({(): field()})
    drag(dock, 0.3, 0.8, 0.97)
    assert kinds(dock) == [1, 1, 1, 1, 1, 1]
    dock.viability.edits.undo()
    dock.refresh()
    assert kinds(dock) == shown(dock) == [1, 1, 2, 2, 1, 1]
    assert 0.4 < dock.threshold.slider.value() <= 0.62
    assert dock.viability.edits.history.undo_name is None
    dock.viability.edits.redo()
    dock.refresh()
    assert kinds(dock) == shown(dock) == [1] * 6
    assert dock.threshold.slider.value() > 0.95


def test_keys_on_the_slider_become_one_edit_when_no_more_come(viewer, open_dock, qtbot):
    dock = open_dock({(): field()})
    for _ in range(12):
        QTest.keyClick(dock.threshold.slider._slider, Qt.Key.Key_Left)
    assert shown(dock) == [1, 2, 2, 2, 1, 1]
    assert kinds(dock) == [1, 1, 2, 2, 1, 1]
    qtbot.waitUntil(lambda: kinds(dock) == [1, 2, 2, 2, 1, 1], timeout=5000)
    assert dock.viability.edits.history.undo_name == "threshold 0.38 for dead"
    dock.viability.edits.undo()
    assert dock.viability.edits.history.undo_name is None


def test_a_category_given_by_a_key_stays_whatever_the_threshold(viewer, open_dock):
    dock = open_dock({(): field()})
    edits = dock.viability.edits
    edits.select((1,))
    canvas = viewer.__wrapped__.window._qt_viewer.canvas.native
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert (edits.cell.category, edits.cell.status) == (2, "corrected")
    edits.select(())
    assert shown(dock) == [2, 1, 2, 2, 1, 1]
    drag(dock, 0.97)
    assert kinds(dock) == shown(dock) == [2, 1, 1, 1, 1, 1]
    dock.refresh()
    assert dock.threshold.note.text().startswith("The threshold decides on 3 cells; 3 keep their category.")


def test_the_pixels_of_the_canvas_change_colour_while_the_slider_moves(make_napari_viewer, qtbot):
    from napari_centermask.widgets.viability.dock import ViabilityDock

    viewer = make_napari_viewer(show=True)
    image = viewer.add_image(np.zeros(SHAPE, np.float32), name="field")
    result = Result(SHAPE, name="field")
    result.put((), Instances(SHAPE, [disc(1, 60, 80, 0.7, radius=30)], categories=KINDS), keep_ids=True)
    session_of(viewer).attach(image, ImagePlanes.of(image), result)
    dock = ViabilityDock(viewer)
    viewer.window.add_dock_widget(dock, name="CenterMask: Viability")
    viewer.reset_view()

    def middle():
        picture = viewer.screenshot(flash=False)
        return picture[picture.shape[0] // 2, picture.shape[1] // 2, :3] / 255 / 0.45

    np.testing.assert_allclose(middle(), category_colour(DEAD)[:3], atol=0.03)
    place = drag(dock, 0.8, release=False)
    np.testing.assert_allclose(middle(), category_colour(LIVE)[:3], atol=0.03)
    QTest.mouseRelease(dock.threshold.slider._slider, Qt.MouseButton.LeftButton, pos=place)
    np.testing.assert_allclose(middle(), category_colour(LIVE)[:3], atol=0.03)
    dock.threshold.colours.setCurrentIndex(dock.threshold.colours.findData("before"))
    dock.threshold.colours.activated.emit(2)
    assert [layer.name for layer in viewer.layers] == ["field", "field cells", "field outlines", "field active cell"]
    assert all(layer.visible for layer in viewer.layers)
    session_of(viewer).settle()
    dock.refresh()


def test_as_a_probability_the_fill_goes_from_one_colour_to_the_other(viewer, open_dock):
    dock = open_dock({(): field()})
    dock.threshold.colours.setCurrentIndex(dock.threshold.colours.findData("probability"))
    dock.threshold.colours.activated.emit(1)
    layer = dock.viability.layer.layer
    fills = layer.colormap.map(layer.data[[20, 20, 60, 60, 100, 100], [20, 60, 20, 60, 60, 100]])[:, :3]
    live, dead = category_colour(LIVE)[:3], category_colour(DEAD)[:3]
    distance = [np.abs(f - live).sum() - np.abs(f - dead).sum() for f in fills]
    assert distance[0] < distance[1] < 0 < distance[2] < distance[3]
    np.testing.assert_allclose(fills[[4, 5]], [live, live], atol=1e-4)
    before = fills.copy()
    drag(dock, 0.2)
    fills = layer.colormap.map(layer.data[[20, 20, 60, 60, 100, 100], [20, 60, 20, 60, 60, 100]])[:, :3]
    np.testing.assert_allclose(fills, before, atol=1e-6)
    assert [s[1] if isinstance(s, tuple) else s for s in shown(dock)] == [1, 2, 2, 2, 1, 1]


def test_the_colours_lie_above_the_image_and_below_the_cell_that_is_painted(viewer, open_dock):
    open_dock({(): field()})
    names = [layer.name for layer in viewer.layers]
    assert names == ["field", "field cells", "field outlines", "field viability", "field active cell"]


def test_painting_and_splitting_are_drawn_at_once(viewer, open_dock):
    dock = open_dock({(): field()})
    edits = dock.viability.edits
    edits.select((4,))
    edits.run_tool("grow", n=3)
    edits.select(())
    grown = edits.result.get((), 4)
    codes = dock.viability.layer.layer.data
    assert grown.status == "corrected"
    assert (codes[grown.y0 : grown.box[2], grown.x0 : grown.box[3]][grown.mask] > 0).all()
    edits.undo()
    small = edits.result.get((), 4)
    assert (codes[small.y0 - 3, :] == 0).all()
    assert shown(dock) == kinds(dock)


def test_a_stack_has_counts_by_frame_a_plot_and_a_table_that_lead_to_frames(viewer, open_dock):
    dock = open_dock({(0,): field(), (2,): field(10)[:3]}, leading=(4,), axis_labels=("t", "y", "x"))
    assert dock.counts.axis.currentText() == "Along t (4)"
    model = dock.counts.frames.counts
    lines = [[model.data(model.index(r, c)) for c in range(4)] for r in range(4)]
    assert lines == [["0", "4", "2", "66.7 %"], ["1", "0", "0", "–"], ["2", "2", "1", "66.7 %"], ["3", "0", "0", "–"]]
    viewer.dims.set_current_step(0, 2)
    assert dock.counts.summary.frame.text() == "t 2: 2 live, 1 dead. Viability <b>66.7 %</b>"
    assert shown(dock, (2,)) == [1, 1, 2]
    drag(dock, 0.3, release=False)
    assert model.data(model.index(2, 3)) == "33.3 %"
    (line,) = dock.counts.plot.plot.lines.values()
    np.testing.assert_allclose(line.getData()[1], [50, np.nan, 100 / 3, np.nan])
    drag(dock, 0.3)
    assert kinds(dock, (0,)) == [1, 2, 2, 2, 1, 1]
    assert kinds(dock, (2,)) == [1, 2, 2]
    assert len(dock.viability.edits.history._done) == 1
    box = dock.counts.frames.visualRect(model.index(0, 0))
    dock.counts.tabs.setCurrentWidget(dock.counts.frames)
    QTest.mouseClick(dock.counts.frames.viewport(), Qt.MouseButton.LeftButton, pos=box.center())
    assert viewer.dims.current_step[0] == 0
    assert shown(dock, (0,)) == [1, 2, 2, 2, 1, 1]


def test_a_click_in_the_plot_goes_to_the_frame(viewer, open_dock):
    dock = open_dock({(k,): field(10 * k) for k in range(5)}, leading=(5,))
    dock.counts.tabs.setCurrentWidget(dock.counts.plot)
    dock.resize(360, 800)
    view = dock.counts.plot.plot.widget
    dock.grab()  # lays the plot out
    at = view.mapFromScene(view.getPlotItem().vb.mapViewToScene(view.getPlotItem().vb.viewRect().center()))
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert viewer.dims.current_step[0] == 2
    assert dock.counts.plot.here.value() == 2


def test_time_and_depth_are_counted_along_either(viewer, open_dock):
    cells = {(t, z): field(100 * t + 10 * z)[: t + z + 2] for t in range(2) for z in range(3)}
    dock = open_dock(cells, leading=(2, 3), axis_labels=("z", "t", "y", "x"))
    assert dock.counts.axis.currentText() == "Along t (3)"
    model = dock.counts.frames.counts
    assert model.numbers.sum(axis=1).tolist() == [5, 7, 9]
    dock.counts.axis.setCurrentIndex(0)
    dock.counts.axis.activated.emit(0)
    assert model.numbers.sum(axis=1).tolist() == [9, 12]
    dock.counts.frames.picked.emit(1)
    assert viewer.dims.current_step[:2] == (1, 1)  # napari begins in the middle
    assert shown(dock, (1, 1)) == kinds(dock, (1, 1)) == [1, 1, 2, 2]


def test_a_volume_is_coloured_plane_by_plane(viewer, open_dock, qtbot):
    dock = open_dock({(k,): field(10 * k) for k in range(4)}, leading=(4,))
    viewer.dims.ndisplay = 3
    qtbot.waitUntil(lambda: not dock.viability.layer._timer.isActive(), timeout=5000)
    for k in range(4):
        assert shown(dock, (k,)) == [1, 1, 2, 2, 1, 1]
    viewer.dims.ndisplay = 2


def test_with_three_categories_those_below_the_threshold_are_the_next_best(viewer, open_dock):
    cells = [
        Instance(1, 5, 5, np.ones((9, 9), bool), category=2, probabilities=(0.33, 0.35, 0.32)),
        Instance(2, 5, 40, np.ones((9, 9), bool), category=3, probabilities=(0.1, 0.4, 0.5)),
    ]
    dock = open_dock({(): cells}, categories={1: "live", 2: "dead", 3: "debris"})
    assert dock.viability.threshold is None
    assert "No threshold gives the categories" in dock.threshold.note.text()
    assert shown(dock) == kinds(dock) == [2, 3]
    drag(dock, 0.2)
    assert shown(dock) == kinds(dock) == [2, 2]
    drag(dock, 0.45)
    assert shown(dock) == kinds(dock) == [1, 3]
    dock.threshold.category.setCurrentIndex(2)
    dock.threshold.category.activated.emit(2)
    assert dock.viability.cells.category == 3
    drag(dock, 0.1)
    assert kinds(dock) == [3, 3]


def test_without_probabilities_or_with_one_category_the_dock_says_what_to_do(viewer, open_dock):
    dock = open_dock({(): [disc(1, 20, 20)]})
    assert dock.threshold.note.text().startswith("The cells have no probabilities: run a model")
    assert not dock.threshold.slider.isEnabled()
    assert dock.viability.layer is None
    assert dock.counts.summary.image.text() == "Image: 1 live, 0 dead. Viability <b>100.0 %</b>"
    other = open_dock({(): [disc(1, 20, 20)]}, categories={1: "cell"})
    assert other.threshold.note.text().startswith("A threshold needs two categories; there is only one.")


def test_an_image_without_cells_enables_nothing(viewer, qtbot):
    from napari_centermask.widgets.viability.dock import ViabilityDock

    dock = ViabilityDock(viewer)
    viewer.window.add_dock_widget(dock, name="CenterMask: Viability")
    viewer.add_image(np.zeros(SHAPE, np.float32))
    assert not dock.export.isEnabled()
    assert dock.export.toolTip().startswith("There are no cells")


def test_the_colours_go_with_the_layer_that_the_user_removes_and_come_back(viewer, open_dock):
    dock = open_dock({(): field()})
    assert not viewer.layers["field cells"].visible
    viewer.layers.remove("field viability")
    assert viewer.layers["field cells"].visible
    drag(dock, 0.3)
    assert kinds(dock) == [1, 2, 2, 2, 1, 1]
    dock.threshold.colours.activated.emit(0)
    assert shown(dock) == kinds(dock)


def test_cells_above_another_score_are_counted_and_drawn(viewer, open_dock):
    cells = field()
    cells[2] = disc(3, 60, 20, 0.62, score=0.3)
    dock = open_dock({(): cells})
    session = session_of(viewer)
    session.set_threshold(dock.image.layer, 0.5)
    assert dock.viability.counts().total.tolist() == [4, 1]
    assert dock.viability.layer.layer.data[60, 20] == 0
    assert dock.threshold.note.text().startswith("The threshold decides on 3 cells; 2 keep their category.")
    session.set_threshold(dock.image.layer, 0.2)
    assert dock.viability.counts().total.tolist() == [4, 2]
    assert shown(dock) == kinds(dock)


def test_cells_of_a_run_with_categories_are_coloured_when_they_come(dock, viewer, run_to_end, discs):
    from napari_centermask.widgets.viability.dock import ViabilityDock

    viewer.add_image(discs(), name="field")
    viability = ViabilityDock(viewer)
    viewer.window.add_dock_widget(viability, name="CenterMask: Viability")
    assert viability.viability is None
    run_to_end()
    cells = viability.viability.cells
    assert np.count_nonzero(cells.free) == 3
    assert viability.threshold.category.currentText() == "dead"
    assert shown(viability) == kinds(viability)
    assert set(kinds(viability)) == {LIVE, DEAD}
    drag(viability, 0.0)
    assert shown(viability) == kinds(viability) == [DEAD] * 3
    viability.refresh()
    viability.session.settle()


def test_measurements_of_the_image_are_written_with_the_categories_as_they_are_shown(
    viewer, open_dock, tmp_path, qtbot, monkeypatch
):
    dock = open_dock({(0,): field(), (1,): field(10)}, leading=(2,), axis_labels=("t", "y", "x"))
    drag(dock, 0.3)
    path = tmp_path / "cells.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(path), ""))
    dock.export.this.trigger()
    assert not dock.export.isEnabled()
    qtbot.waitUntil(lambda: not dock.measuring.runner.is_running, timeout=20_000)
    with path.open() as stream:
        table = list(csv.DictReader(stream))
    assert [(r["t"], r["id"], r["category"]) for r in table[:3]] == [
        ("0", "1", "live"),
        ("0", "2", "dead"),
        ("0", "3", "dead"),
    ]
    assert (len(table), table[1]["p_dead"], table[0]["mean_Grey"]) == (12, "0.4", "0")
    with (tmp_path / "cells_counts.csv").open() as stream:
        assert [r["viability_percent"] for r in csv.DictReader(stream)] == ["50", "50"]
    assert dock.export.isEnabled()


def test_the_figures_of_an_evaluation_are_shown_as_wide_as_the_dock(viewer, open_dock, tmp_path, monkeypatch):
    dock = open_dock({(): field()})
    for name in ("roc", "confusion"):
        picture = QImage(400, 300, QImage.Format.Format_RGB32)
        picture.fill(Qt.GlobalColor.red)
        (tmp_path / "figures").mkdir(exist_ok=True)
        assert picture.save(str(tmp_path / "figures" / f"{name}.png"))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path))
    dock.counts.tabs.setCurrentWidget(dock.figures)
    dock.figures.open.click()
    assert [dock.figures.names.itemText(i) for i in range(2)] == ["figures/confusion", "figures/roc"]
    shown = dock.figures.picture.pixmap()
    assert shown.width() == dock.figures.picture.width()
    assert shown.width() * 3 == pytest.approx(shown.height() * 4, abs=4)


@pytest.fixture
def project(tmp_path):
    """Three images with cells alive and dead; the last is reviewed."""
    place = tmp_path / "experiment"
    place.mkdir()
    for k in range(3):
        tifffile.imwrite(place / f"{k}.tif", np.full(SHAPE, k, np.uint8))
    with Project.open(place) as made:
        made.set_category(1, made.categories[1].__class__("live", "#00ff00"))
        for image in made.images:
            made.set_predictions(image.id, Instances(SHAPE, field(), categories=KINDS), model="m")
        made.set_status(3, "reviewed")
        made.save()
    return place


@pytest.fixture
def in_project(viewer, project, qtbot):
    """The dock on the first image of the project."""
    from napari_centermask.widgets.project.session import project_session_of
    from napari_centermask.widgets.viability.dock import ViabilityDock

    projects = project_session_of(viewer)
    projects.open(project)
    projects.show(1)
    dock = ViabilityDock(viewer)
    viewer.window.add_dock_widget(dock, name="CenterMask: Viability")
    yield dock, projects
    dock._settle()
    dock.refresh()
    dock.session.settle()
    projects.close()


def test_in_a_project_the_threshold_goes_to_all_images_but_those_reviewed(in_project, project):
    dock, projects = in_project
    drag(dock, 0.3)
    assert dock.threshold.everywhere.isEnabled()
    dock.threshold.everywhere.click()
    dead = [sum(c.category == DEAD for c in projects.project.result(id)) for id in (1, 2, 3)]
    assert dead == [3, 3, 2]
    projects.show(2)
    assert shown(dock) == kinds(dock) == [1, 2, 2, 2, 1, 1]
    assert dock.threshold.slider.value() == pytest.approx(0.5, abs=0.2)
    dock.viability.edits.undo()
    assert kinds(dock) == [1, 1, 2, 2, 1, 1]
    projects.save()
    projects.close()
    with Project.open(project) as again:
        assert [c.category for c in again.result(1)] == [1, 2, 2, 2, 1, 1]
        assert [c.category for c in again.result(2)] == [1, 1, 2, 2, 1, 1]


def test_in_a_project_every_image_has_its_counts_and_a_click_opens_it(in_project, qtbot):
    dock, projects = in_project
    dock.window().show()  # nothing is counted while nobody looks
    dock.counts.tabs.setCurrentWidget(dock.images)
    model = dock.images.table.counts
    qtbot.waitUntil(lambda: model.rowCount() == 3, timeout=5000)
    assert [model.data(model.index(r, 3)) for r in range(3)] == ["66.7 %"] * 3
    drag(dock, 0.3)
    qtbot.waitUntil(lambda: model.data(model.index(0, 3)) == "50.0 %", timeout=5000)
    assert dock.images.total.text() == "18 cells in 3 images, viability 61.1 %"
    picked = []
    dock.images.picked.connect(picked.append)
    projects.changed.emit(1)  # until it is counted again, the lines are those that are shown
    dock.images.table.picked.emit(0)
    assert picked == [1]
    box = dock.images.table.visualRect(model.index(1, 0))
    QTest.mouseClick(dock.images.table.viewport(), Qt.MouseButton.LeftButton, pos=box.center())
    assert projects.current == 2
    projects.close()
    assert model.rowCount() == 0


def test_a_project_is_measured_image_by_image(in_project, tmp_path, qtbot):
    dock, _projects = in_project
    dock.measuring.start(tmp_path / "all.csv", everything=True)
    qtbot.waitUntil(lambda: not dock.measuring.runner.is_running, timeout=20_000)
    with (tmp_path / "all.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert [(r["image"], r["mean_channel0"]) for r in table[::6]] == [("0.tif", "0"), ("1.tif", "1"), ("2.tif", "2")]


def test_a_read_only_project_shows_the_threshold_and_changes_nothing(viewer, project, qtbot, notices):
    from napari_centermask.widgets.project.session import project_session_of
    from napari_centermask.widgets.viability.dock import ViabilityDock

    with Project.open(project):  # another window holds the lock
        projects = project_session_of(viewer)
        projects.open(project)
        projects.show(1)
        dock = ViabilityDock(viewer)
        viewer.window.add_dock_widget(dock, name="CenterMask: Viability")
        drag(dock, 0.3, release=False)
        assert shown(dock) == [1, 2, 2, 2, 1, 1]
        drag(dock, 0.3)
        assert kinds(dock) == shown(dock) == [1, 1, 2, 2, 1, 1]
        assert any("not change it" in text for text in notices())
        assert not dock.threshold.everywhere.isEnabled()
        projects.close()
