"""The lines of the categories: what is typed is asked for, and nothing is asked for twice."""

import pytest

from napari_centermask.io.project import Category
from napari_centermask.widgets.project.category_box import CategoryBox


@pytest.fixture
def box(qtbot):
    box = CategoryBox()
    qtbot.addWidget(box)
    box.show_categories({2: Category("bud", "#112233", "B"), 1: Category("cell", "#445566")})
    return box


def test_what_is_typed_into_a_line_is_asked_for_once(box):
    heard = []
    box.edited.connect(lambda id, category: heard.append((id, category)))
    assert list(box.lines) == [1, 2]
    _, name, key, _ = box.lines[2]
    name.editingFinished.emit()  # nothing was changed
    name.setText(" mitotic ")
    name.editingFinished.emit()
    key.setText("M")
    key.editingFinished.emit()
    assert heard == [(2, Category("mitotic", "#112233", "B")), (2, Category("bud", "#112233", "M"))]


def test_a_category_is_added_by_its_name_and_removed_by_its_id(box):
    added, removed = [], []
    box.added.connect(added.append)
    box.removed.connect(removed.append)
    box.add.click()
    box.name.setText(" dead ")
    box.add.click()
    box.lines[1][3].click()
    assert (added, removed) == (["dead"], [1])
    assert box.name.text() == ""
    box.explain("This category has cells.")
    assert not box.problem.isHidden()
    box.show_categories({1: Category("cell", "#445566")})
    assert box.problem.isHidden()
