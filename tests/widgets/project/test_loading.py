"""Images are read off the GUI thread, unless they are small, and become layers."""

import numpy as np
from project_cells import edits_of, ids


def test_stacks_and_channels_open_with_their_axes(viewer, project_dock, folder):
    project_dock.open(folder)
    project_dock.show_image(ids(project_dock)["field 3.tif"])
    edits = edits_of(project_dock)
    assert (edits.planes.leading, edits.planes.n_channels) == ((2,), 1)
    project_dock.show_image(ids(project_dock)["field 4.tif"])
    edits = edits_of(project_dock)
    assert (edits.planes.leading, edits.planes.n_channels) == ((), 2)


def test_large_images_are_read_while_the_one_before_stays(viewer, project_dock, folder, slow, qtbot):
    project_dock.open(folder)
    assert project_dock.navigation.count.text() == "Opening field 0.tif…"
    qtbot.waitUntil(lambda: project_dock.session.current == 1, timeout=10_000)
    project_dock.navigation.next.click()
    assert (project_dock.session.current, project_dock.session.loading) == (1, 2)
    assert viewer.layers[0].name == "field 0"
    assert project_dock.images.currentRow() == 1
    assert project_dock.navigation.count.text() == "Opening field 1.tif…"
    made = edits_of(project_dock).add(np.ones((9, 9), bool), (40, 40))
    slow.set()
    qtbot.waitUntil(lambda: project_dock.session.current == 2, timeout=10_000)
    assert [made.id] == [c.id for c in project_dock.project.result(1)]
    assert project_dock.navigation.count.text() == "0 of 6 images reviewed"


def test_of_images_chosen_quickly_the_last_one_comes(viewer, project_dock, folder, slow, qtbot):
    project_dock.open(folder)
    qtbot.waitUntil(lambda: project_dock.session.current == 1, timeout=10_000)
    seen = []
    project_dock.session.shown.connect(seen.append)
    for _ in range(3):
        project_dock.navigation.next.click()
    assert project_dock.session.loading == 4
    slow.set()
    qtbot.waitUntil(lambda: project_dock.session.current == 4, timeout=10_000)
    assert [id for id in seen if id] == [4]
    slow.clear()
    project_dock.show_image(2)
    project_dock.show_image(4)  # the one in view: the other is not wanted any more
    assert project_dock.session.loading == 0
    slow.set()
    qtbot.waitUntil(lambda: not project_dock.session.loader.is_reading, timeout=10_000)
    assert project_dock.session.current == 4


def test_a_large_image_that_cannot_be_read_says_why(project_dock, folder, slow, notices, qtbot):
    project_dock.open(folder)
    qtbot.waitUntil(lambda: project_dock.session.current == 1, timeout=10_000)
    project_dock.show_image(3)
    qtbot.waitUntil(lambda: project_dock.session.loading == 0, timeout=10_000)
    assert "the disk is gone" in notices()[-1]
    assert project_dock.session.current == 1
    assert project_dock.images.currentRow() == 0
