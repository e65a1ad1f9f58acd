"""Categories of a project are edited, named everywhere and kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from strokes import draw, reopened, square

from napari_centermask.core.errors import (
    BadSettings,
)
from napari_centermask.core.tools import delete, to_changes
from napari_centermask.io.project import Category, Project


def test_categories_are_edited_named_everywhere_and_kept(folder):
    project = Project.open(folder)
    project.result(1)
    id = project.add_category("dead")
    assert (id, project.categories[id].key) == (2, "2")
    assert project.categories[id].colour != project.categories[1].colour
    project.set_category(1, Category("living", "#00ff00", "q"))
    assert project.result(1).categories == {1: "living", 2: "dead"}
    with pytest.raises(BadSettings, match="name"):
        project.set_category(1, Category("dead", "#00ff00", "q"))
    with pytest.raises(BadSettings, match="key"):
        project.set_category(1, Category("living", "#00ff00", "2"))
    with pytest.raises(BadSettings, match="colour"):
        project.set_category(1, Category("living", "green", "q"))
    draw(project, 1, square(3, 4, 20, 30), category=2)
    with pytest.raises(BadSettings, match=r"a1\.png"):
        project.remove_category(2)
    again = reopened(project)
    assert again.categories == {1: Category("living", "#00ff00", "q"), 2: project.categories[2]}
    again.save()
    with pytest.raises(BadSettings, match=r"a1\.png"):
        again.remove_category(2)
    again.remove_category(1)
    again.close()
    with Project.open(folder) as third:
        assert list(third.categories) == [2]
        result = third.result(1)
        third.history(1).do("delete", to_changes(delete(result.plane(()), [1]), (), result))
        with pytest.raises(BadSettings, match="only category"):
            third.remove_category(2)


def test_categories_that_a_run_in_the_viewer_brings_are_added(folder):
    project = Project.open(folder)
    result = project.result(1)
    here = result.join_categories((), {1: "living", 2: "cell"})
    assert here == {1: 3, 2: 1}
    draw(project, 1, square(3, 4, 20, 30), category=here[1], status="predicted")
    assert project.categories[3].name == "living"
    assert project.result(2).categories == result.categories == {1: "cell", 3: "living"}
    again = reopened(project)
    assert again.categories == project.categories
    again.close()


def test_a_new_project_takes_the_categories_of_the_model_in_use_and_keeps_its_own_once_it_has_cells(folder):
    with Project.open(folder) as project:
        assert project.use_categories(["nucleus"])
        assert [c.name for c in project.categories.values()] == ["nucleus"]
    with Project.open(folder) as project:
        assert [c.name for c in project.categories.values()] == ["nucleus"]
        draw(project, 1, square(3, 4, 20, 30))
        assert not project.use_categories(["living", "dead"])
    with Project.open(folder) as project:
        assert [c.name for c in project.categories.values()] == ["nucleus"]


@pytest.mark.parametrize("ended_by", ["nothing", "saving", "a crash"])
def test_the_categories_of_a_model_are_replaced_by_those_of_the_next_one_while_no_cell_has_them(folder, ended_by):
    def names():
        return [c.name for c in project.categories.values()]

    project = Project.open(folder)
    for model in (["nucleus"], ["living", "dead"], ["cell"], ["living", "dead"], ["nucleus"]):
        assert project.use_categories(model)
        assert names() == list(project.result(1).categories.values()) == model
        if ended_by == "saving":
            project.save()
        if ended_by != "nothing":
            project = reopened(project)
        assert names() == model
    assert not project.use_categories(["nucleus"])
    project.close()


def test_a_category_that_you_changed_or_added_stays_when_another_model_is_chosen(folder):
    with Project.open(folder) as project:
        project.use_categories(["nucleus"])
        project.set_category(1, replace(project.categories[1], name="mitosis"))
        assert not project.use_categories(["cell"])
    with Project.open(folder) as project:
        assert not project.use_categories(["living", "dead"])
        assert [c.name for c in project.categories.values()] == ["mitosis"]


def test_a_category_stays_while_redo_can_bring_back_a_cell_of_it(folder):
    with Project.open(folder) as project:
        project.use_categories(["living", "dead"])
        draw(project, 1, square(3, 4, 20, 30), category=2)
        project.history(1).undo()
        assert not project.use_categories(["nucleus"])
        project.history(1).redo()
        assert project.result(1).categories[2] == "dead"


def test_predictions_of_a_model_with_one_category_join_the_only_one_of_the_project(folder, cells):
    with Project.open(folder) as project:
        id = project.images[0].id
        project.set_category(1, replace(project.categories[1], name="mitosis"))
        own = cells(n=3, shape=project.result(id).shape, seed=1)
        own.categories = {1: "nucleus"}
        project.set_predictions(id, own, model="nuclei")
        assert project.result(id).categories == {1: "mitosis"}


def test_a_project_with_cells_keeps_the_category_that_they_have(folder, cells):
    with Project.open(folder) as project:
        id = project.images[0].id
        own = cells(n=3, shape=project.result(id).shape, seed=1)
        own.categories = {1: "cell"}
        project.set_predictions(id, own, model="nuclei")
        assert not project.use_categories(["nucleus"])
