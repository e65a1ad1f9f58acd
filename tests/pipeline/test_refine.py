import numpy as np
import pytest
from asking import OPTIONS, iou

from napari_centermask.core.instances import Instance
from napari_centermask.pipeline.prompt import Prompter
from napari_centermask.pipeline.refine import Refiner


def disc(*circles, **fields):
    rows, columns = np.mgrid[:100, :100]
    mask = np.zeros((100, 100), bool)
    for y, x, radius in circles:
        mask |= np.hypot(rows - y, columns - x) <= radius
    return Instance.from_mask(mask, (0, 0), **fields)


def refiner(*, box=None, click=None):
    return Refiner((100, 100), box=lambda *_: box, click=lambda *_: click)


def has(cell, y, x):
    full = np.zeros((100, 100), bool)
    y0, x0, y1, x1 = cell.box
    full[y0:y1, x0:x1] = cell.mask
    return bool(full[y, x])


TWO = disc((50, 35, 15), (50, 63, 15))


def test_what_the_model_finds_in_a_larger_box_is_added():
    found = refiner(box=TWO).refined(disc((50, 35, 15)), [(50, 63)], [])
    assert iou(found, TWO) == 1


def test_the_cell_at_the_point_is_added_if_the_larger_box_has_another_cell():
    part = disc((50, 63, 15))
    found = refiner(box=disc((20, 20, 9)), click=part).refined(disc((50, 35, 15)), [(50, 63)], [])
    assert iou(found, TWO) == 1


@pytest.mark.parametrize("answer", [None, TWO], ids=["no answer", "an answer that a point outside refutes"])
def test_a_point_counts_whatever_the_model_says(answer):
    cell = disc((50, 35, 15))
    found = refiner(box=answer, click=answer).refined(cell, [(50, 55)], [(50, 70)])
    assert has(found, 50, 55)
    assert not has(found, 50, 70)
    assert found.area > cell.area


def test_another_cell_at_a_point_outside_is_removed():
    cell = disc((50, 35, 15), (50, 55, 8))
    found = refiner(click=disc((50, 55, 8))).refined(cell, [], [(50, 58)])
    assert not has(found, 50, 58)
    assert has(found, 50, 25)


def test_without_another_cell_the_shape_is_divided_between_the_points():
    found = refiner(click=TWO).refined(TWO, [(50, 30)], [(50, 65)])
    assert iou(found, disc((50, 35, 15))) > 0.9
    other = refiner(click=TWO).refined(TWO, [(50, 65)], [(50, 30)])
    assert iou(other, disc((50, 63, 15))) > 0.9
    assert refiner().refined(TWO, [], [(50, 65)]).area < 0.6 * TWO.area


def test_a_cell_that_agrees_with_all_points_is_not_changed():
    assert refiner(box=TWO, click=TWO).refined(TWO, [(50, 35)], [(10, 10)]) is TWO


def test_the_quality_is_the_least_of_all_answers():
    cell, part = disc((50, 35, 15), mask_quality=0.9), disc((50, 63, 15), mask_quality=0.4)
    assert refiner(box=None, click=part).refined(cell, [(50, 63)], []).mask_quality == 0.4


def test_a_refined_cell_is_a_draft(fake):
    image = fake.draw((200, 200), [(100, 100, 20)])
    prompter = Prompter(fake.engine(), image, OPTIONS)
    whole = prompter.box(79, 79, 121, 121)
    half = Instance(7, whole.y0, whole.x0, whole.mask[:20], source="manual", status="accepted")
    refined = prompter.refine(half, [(112.0, 100.0)], [])
    assert refined.is_draft
    assert (refined.id, refined.source, refined.score) == (7, "fake by click", refined.mask_quality)
    assert iou(refined, whole) > 0.9
