"""Cells of a project's images: predictions give way to people, and thresholds are saved."""

from __future__ import annotations

from dataclasses import replace

import pytest
from strokes import SHAPE, assert_same, draw, square, state

from napari_centermask.core.instances import Instances
from napari_centermask.core.tools import new_cell, set_status, to_changes
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.project import Project


def test_rejected_cells_and_candidates_stay_out_of_the_annotations_that_others_read(folder, cells):
    with Project.open(folder) as project:
        project.set_predictions(1, cells(n=8, shape=SHAPE, radius=6), model="nuclei")
        result = project.result(1)
        result.threshold = 0.7
        low = sum(i.score < 0.7 for i in result)
        first = next(i.id for i in result if i.score > 0.7)
        project.history(1).do("reject", to_changes(set_status(result.plane(()), [first], "rejected"), (), result))
        project.save()
        before = state(project)
    (record,) = read_coco(folder / "annotations.json")
    assert len(record.instances) == 8 - low - 1
    with Project.open(folder) as again:
        assert len(again.result(1)) == 8
        assert again.result(1).threshold == 0.7
        assert_same(state(again), before)


def test_the_score_from_which_cells_are_shown_is_saved(folder, cells):
    with Project.open(folder) as project:
        project.set_predictions(1, cells(n=8, shape=SHAPE, radius=6), model="nuclei")
        project.save()
        assert not project.unsaved
        project.result(1).threshold = 0.8
        assert project.unsaved
        project.save()
        assert not project.unsaved
    with Project.open(folder) as again:
        assert again.result(1).threshold == 0.8
        assert not again.unsaved


def test_predictions_leave_what_a_person_did_and_match_categories_by_name(folder):
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        predicted = Instances(SHAPE, categories={1: "dead", 2: "cell"})
        for mask, category in ((square(3, 4, 20, 29), 2), (square(40, 40, 50, 50), 1), (square(40, 4, 50, 9), 2)):
            cell = new_cell(predicted, mask, category=category, score=0.9, status="predicted")[0][1]
            predicted.add(replace(cell, probabilities=(0.8, 0.2)))
        project.set_predictions(1, predicted, model="m")
        by_place = {(c.y0, c.x0): c for c in project.result(1)}
        assert len(by_place) == 3
        assert by_place[3, 4].source == "manual"
        names = {place: project.categories[c.category].name for place, c in by_place.items()}
        assert names == {(3, 4): "cell", (40, 40): "dead", (40, 4): "cell"}
        probabilities = dict(zip(sorted(project.categories), by_place[40, 40].probabilities, strict=True))
        assert {project.categories[id].name: p for id, p in probabilities.items()} == {"cell": 0.2, "dead": 0.8}
        assert by_place[40, 40].source == "m"
        project.history(1).undo()
        assert len(project.result(1)) == 1
        project.set_predictions(2, Instances(SHAPE), model="m")
        assert project.status(2) == "predicted"
        project.set_predictions(4, {(0, 1): predicted, (1, 0): predicted}, model="m")
        assert [len(p) for p in project.result(4).planes.values()] == [3, 3]
        with pytest.raises(ValueError, match="plane of"):
            project.set_predictions(1, Instances((5, 5)), model="m")
