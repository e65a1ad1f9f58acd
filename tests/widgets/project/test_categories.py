"""Categories of a project, or of the image in view."""

import numpy as np
from project_cells import edits_of

from napari_centermask.widgets.edit.correction import edit_session_of


def test_categories_are_edited_and_mistakes_explained(project_dock, folder):
    project_dock.open(folder)
    box = project_dock.categories
    box.name.setText("mitotic")
    box.add.click()
    assert project_dock.project.categories[2].name == "mitotic"
    assert edits_of(project_dock).result.categories == {1: "nucleus", 2: "mitotic"}
    box.lines[2][1].setText("nucleus")
    box.lines[2][1].editingFinished.emit()
    assert project_dock.project.categories[2].name == "mitotic"
    assert "already called" in box.problem.text()
    box.lines[2][3].click()
    assert list(project_dock.project.categories) == [1]
    box.lines[1][3].click()
    assert "This is the only category" in box.problem.text()


def test_categories_follow_the_model_in_use_until_a_cell_is_drawn(project_dock, folder):
    def names():
        return {id: category.name for id, category in project_dock.project.categories.items()}

    project_dock.open(folder)
    assert names() == {1: "nucleus"}
    edits = edits_of(project_dock)
    project_dock.in_use.choose("live-dead")
    assert list(names()) == [1, 2]
    edits.category = 2
    project_dock.in_use.choose("cells")
    assert names() == edits.result.categories == {1: "cell"}
    assert [line[1].text() for line in project_dock.categories.lines.values()] == ["cell"]
    edits.add(np.ones((9, 9), bool), (40, 40))
    (cell,) = edits.result
    assert cell.category == 1
    project_dock.in_use.choose("live-dead")
    assert names() == edits.result.categories == {1: "cell"}


def test_a_categorys_colour_is_that_of_its_outlines(viewer, project_dock, folder):
    project_dock.open(folder)
    edits = edits_of(project_dock)
    edits.add(np.ones((9, 9), bool), (40, 40))
    category = project_dock.project.categories[1]
    project_dock.categories.edited.emit(1, type(category)(category.name, "#123456", "Control-1"))
    colour = edits.shown.layers.outlines.colormap.color_dict[1]
    np.testing.assert_allclose(colour[:3], np.array([0x12, 0x34, 0x56]) / 255, atol=1e-6)


def test_categories_of_a_single_image_are_edited_without_a_project(viewer, project_dock):
    image = viewer.add_image(np.zeros((64, 64), np.float32), name="alone").__wrapped__
    edits = edit_session_of(project_dock.session.session, image)
    edits.add(np.ones((9, 9), bool), (40, 40))
    box = project_dock.categories
    assert box.isEnabled()
    box.name.setText("mitotic")
    box.add.click()
    assert edits.result.categories == {1: "cell", 2: "mitotic"}
    assert list(box.lines) == [1, 2]
    box.lines[1][3].click()
    assert "1 cell has this category" in box.problem.text()
    box.lines[2][3].click()
    assert edits.result.categories == {1: "cell"}
