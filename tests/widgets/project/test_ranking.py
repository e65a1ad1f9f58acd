"""The images of a project in the order in which correcting them improves a model most."""

import numpy as np
import pytest
import tifffile


@pytest.fixture
def folder(tmp_path, discs):
    """Images on which the model is certain, in doubt, and half in doubt; one to review first, and one that is damaged."""
    place = tmp_path / "plate"
    place.mkdir()
    images = {"a": (1.0, 1.0, 1.0), "b": (1.0, 0.99, 0.98), "c": (0.55, 0.5, 0.55), "d": (0.98, 0.55, 0.97)}
    for name, values in images.items():
        tifffile.imwrite(place / f"{name}.tif", (discs(values=values) * 255).astype(np.uint8))
    (place / "e.tif").write_bytes(b"II*\0 nothing")
    return place


@pytest.fixture
def project_dock(viewer, engine, folder, qtbot):
    from napari_centermask.widgets.project.dock import ProjectDock

    dock = ProjectDock(viewer)
    viewer.window.add_dock_widget(dock, name="Project")
    dock.open(folder)
    yield dock
    engine.gate.set()
    dock.images.stop_pictures()
    dock.session.close()
    qtbot.waitUntil(lambda: not dock.session.ranking.runner.is_running, timeout=20_000)


def listed(dock):
    return "".join(dock.images.item(n).text()[0] for n in range(dock.images.count()))


def choose(dock, place):
    dock.background.order.setCurrentIndex(place)
    dock.background.order.activated.emit(place)


def ranked(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.session.ranking.runner.is_running, timeout=20_000)


def test_doubtful_images_come_first_and_are_gone_through_in_that_order(project_dock, qtbot):
    project_dock._on_done()
    assert listed(project_dock) == "abcde"
    choose(project_dock, 1)
    assert not project_dock.background.ranking.isHidden()
    ranked(project_dock, qtbot)
    order = listed(project_dock)
    assert sorted(order[:2]) == ["c", "d"]
    assert order[2:] == "bae"  # certain, reviewed already, and damaged
    values = project_dock.session.ranking.values
    assert list(values.values())[0] == max(values.values())
    assert project_dock.background.ranking.text().startswith("3 images ranked")
    session, ids = project_dock.session, {i.file_name[0]: i.id for i in project_dock.project.images}
    project_dock.show_image(ids[order[0]])
    project_dock.navigation.next.click()
    assert session.current == ids[order[1]]
    session.predictions._project, session.predictions._current = project_dock.project, ids[order[0]]
    assert session.predictions.next_images() == [ids[k] for k in order[1:3]]
    choose(project_dock, 0)
    assert listed(project_dock) == "abcde"
    assert project_dock.background.ranking.isHidden()


def test_a_ranking_is_stopped_by_the_other_order_or_the_end_of_the_project(project_dock, engine, qtbot):
    engine.gate.clear()
    choose(project_dock, 1)
    assert project_dock.session.ranking.runner.is_running
    choose(project_dock, 0)
    engine.gate.set()
    ranked(project_dock, qtbot)
    assert listed(project_dock) == "abcde"
    assert not project_dock.session.ranking.values
    engine.gate.clear()
    choose(project_dock, 1)
    project_dock.session.close()
    engine.gate.set()
    ranked(project_dock, qtbot)
    assert not project_dock.session.ranking.values
    assert project_dock.images.count() == 0


def test_asked_again_it_begins_anew(project_dock, engine, qtbot):
    engine.gate.clear()
    choose(project_dock, 1)
    choose(project_dock, 1)
    engine.gate.set()
    qtbot.waitUntil(lambda: bool(project_dock.session.ranking.values), timeout=20_000)
    assert sorted(listed(project_dock)[:4]) == list("abcd")


def test_what_cannot_run_is_reported(project_dock, engine, qtbot, monkeypatch):
    def fail(tiles):
        raise RuntimeError("no memory")

    monkeypatch.setattr(engine, "features", fail)
    choose(project_dock, 1)
    ranked(project_dock, qtbot)
    assert "no memory" in project_dock.background.ranking.text()
    assert listed(project_dock) == "abcde"
    assert project_dock.background.order.currentIndex() == 0
