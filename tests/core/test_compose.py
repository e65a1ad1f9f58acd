from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.compose import HATCH, Views, from_label_image, inner_edge, label_image, pack_planes
from napari_centermask.core.instances import Instance, Instances

SHAPE = (90, 120)


def ellipse(rng, **fields):
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    cy, cx = rng.uniform(0, SHAPE[0]), rng.uniform(0, SHAPE[1])
    a, b = rng.uniform(4, 16, 2)
    return Instance.from_mask(((yy - cy) / a) ** 2 + ((xx - cx) / b) ** 2 < 1, **fields)


def cells(n=25, seed=0):
    rng = np.random.default_rng(seed)
    made = [ellipse(rng, score=rng.random(), category=int(rng.integers(1, 4))) for _ in range(n)]
    return Instances(SHAPE, made, categories={1: "a", 2: "b", 3: "c"})


def apart():
    labels = np.zeros(SHAPE, np.int32)
    labels[3:20, 5:30], labels[20:40, 5:30], labels[0:9, 100:120], labels[50, 50] = 7, 2, 900_000, 4
    labels[30, 7] = 0  # a hole
    return labels


def test_label_image_round_trip_without_overlap():
    labels = apart()
    instances = from_label_image(labels, category=3, source="x.png", categories={3: "c"})
    assert sorted(instances.ids) == [2, 4, 7, 900_000]
    np.testing.assert_array_equal(label_image(instances), labels)
    again = from_label_image(label_image(instances), category=3, source="x.png", categories={3: "c"})
    assert instances.equals(again)


@pytest.mark.parametrize("dtype", [np.uint32, np.int64])
def test_huge_ids_are_kept(dtype):
    labels = apart().astype(dtype)
    labels[labels == 900_000] = 2_000_000_000
    assert sorted(from_label_image(labels).ids) == [2, 4, 7, 2_000_000_000]
    labels[labels == 0] = 3_000_000_000
    assert sorted(from_label_image(labels).ids) == [2, 4, 7, 2_000_000_000, 3_000_000_000]


def test_label_images_without_background_or_cells():
    assert from_label_image(np.full((4, 5), 3)).ids == [3]
    assert len(from_label_image(np.zeros((4, 5), np.uint8))) == 0
    assert len(from_label_image(np.ones((4, 5), bool))) == 1


@pytest.mark.parametrize("labels", [np.zeros((2, 3, 3), int), np.zeros((3, 3)), np.full((3, 3), -1)])
def test_wrong_label_images_are_refused(labels):
    with pytest.raises(ValueError, match="[Ll]abels"):
        from_label_image(labels)


def test_higher_order_lies_on_top_then_the_better_score():
    mask = np.ones((3, 3), bool)
    instances = Instances((3, 3), [Instance(1, 0, 0, mask, score=0.5), Instance(2, 0, 0, mask, score=0.9)])
    assert (label_image(instances) == 2).all()
    instances.set(1, replace(instances[1], order=1.0))
    assert (label_image(instances) == 1).all()


def test_planes_keep_every_pixel_of_every_cell():
    instances = cells(40)
    layers, plane_of = pack_planes(instances)
    planes = np.stack(layers)
    assert planes.dtype == np.int32
    assert len(planes) > 1
    assert all((planes[plane_of[i.id]] == i.id).sum() == i.area for i in instances)
    for instance in instances:
        rebuilt = Instance.from_mask((planes == instance.id).any(axis=0), id=instance.id)
        np.testing.assert_array_equal(rebuilt.mask, instance.mask)
        assert rebuilt.box == instance.box
    assert sum(np.count_nonzero(p) for p in planes) == sum(i.area for i in instances)


def test_no_cells_give_one_empty_plane():
    (plane,), plane_of = pack_planes(Instances(SHAPE))
    assert plane.shape == SHAPE
    assert not plane.any()
    assert plane_of == {}


def test_inner_edge_equals_mask_without_its_erosion():
    from scipy.ndimage import binary_erosion

    for instance in cells():
        np.testing.assert_array_equal(inner_edge(instance.mask), instance.mask & ~binary_erosion(instance.mask))
    for shape in ((1, 1), (1, 5), (2, 2), (5, 1)):
        assert inner_edge(np.ones(shape, bool)).all()


def brute_force(instances, active=None):
    top, count, outlines = np.zeros(SHAPE, int), np.zeros(SHAPE, int), np.zeros(SHAPE, int)
    order = sorted(instances, key=lambda i: (i.id == active, i.order, i.score, -i.id))
    full = {i.id: np.zeros(SHAPE, bool) for i in order}
    for i in order:
        full[i.id][i.box[0] : i.box[2], i.box[1] : i.box[3]] = i.mask
        top[full[i.id]] = i.id
        count += full[i.id]
    yy, xx = np.indices(SHAPE)
    outlines[(count > 1) & ((yy + xx) % 4 == 0)] = HATCH
    for i in order:
        outlines[i.box[0] : i.box[2], i.box[1] : i.box[3]][inner_edge(i.mask)] = i.category
    return top, count, outlines


def assert_views_show(views, instances, active=None):
    top, count, outlines = brute_force(instances, active)
    np.testing.assert_array_equal(views.ids[views.top], top)
    np.testing.assert_array_equal(views.count, count)
    np.testing.assert_array_equal(views.outlines, outlines)


def test_views_show_top_count_outlines_and_hatch():
    instances = cells()
    views = Views(instances)
    assert (views.top.dtype, views.count.dtype, views.outlines.dtype) == (np.uint16, np.uint8, np.uint8)
    assert_views_show(views, instances)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tell", [True, False])
def test_incremental_updates_equal_full_recomposition(seed, tell):
    rng = np.random.default_rng(seed)
    instances = cells(seed=seed)
    views = Views(instances)
    for _ in range(120):
        id = int(rng.choice(instances.ids)) if len(instances) else 0
        action = rng.integers(5)
        if action == 0 or not id:
            id = instances.add(ellipse(rng)).id
        elif action == 1:
            instances.set(id, None)
        elif action == 2:
            instances.set(id, ellipse(rng, id=id))
        else:
            instances.set(id, replace(instances[id], order=float(rng.normal()), category=int(rng.integers(1, 5))))
        boxes = views.update(ids=[id] if tell else None)
        assert all(0 <= b[0] < b[2] <= SHAPE[0] for b in boxes)
    assert_views_show(views, instances)
    assert views._used < 60  # slots are used again


def test_the_active_cell_lies_on_top_until_it_is_left():
    instances = cells()
    views = Views(instances)
    for active in (3, 11, None):
        views.set_active(active)
        assert_views_show(views, instances, active)


def test_showing_fewer_cells_and_all_again():
    instances = cells(60)
    views = Views(instances)
    for threshold in (0.5, 0.9, 0.0, 1.1):
        few = instances.filter(min_score=threshold)
        views.show(few)
        list(views.steps())
        assert_views_show(views, few)


def test_cells_under_a_pixel_come_top_most_first():
    instances = cells(40)
    views = Views(instances)
    y, x = np.argwhere(views.count >= 3)[0]
    under = views.at(int(y), int(x))
    assert len(under) == views.count[y, x]
    assert under[0] == views.ids[views.top[y, x]]
    for id in under:
        assert instances[id].mask[y - instances[id].y0, x - instances[id].x0]


def test_more_slots_than_the_first_256():
    mask = np.ones((1, 1), bool)
    instances = Instances((30, 30), [Instance(0, k // 30, k % 30, mask) for k in range(900)])
    views = Views(instances)
    np.testing.assert_array_equal(views.ids[views.top].ravel(), np.arange(1, 901))


def test_views_follow_which_cells_are_shown():
    instances = cells(40)
    views = Views(instances, shows=lambda i: i.score >= 0.5 and i.status != "rejected")
    assert_views_show(views, instances.filter(min_score=0.5))
    shown = next(i for i in instances if i.score >= 0.5)
    hidden = next(i for i in instances if i.score < 0.5)
    instances.set(shown.id, replace(shown, status="rejected"))
    instances.set(hidden.id, replace(hidden, score=0.9))
    views.update(ids=[shown.id, hidden.id])
    left = [i for i in instances if i.score >= 0.5 and i.status != "rejected"]
    assert_views_show(views, Instances(SHAPE, left))
    assert views.slot(shown.id) == 0
    assert views.slot(hidden.id) > 0


@pytest.mark.parametrize("boxes", [[(0, 0, *SHAPE)], [(0, 0, 50, 120), (50, 0, 90, 77), (50, 77, 90, 120)]])
def test_painted_in_one_image_every_pixel_says_its_cell_or_whose_edge_it_is(boxes):
    instances = cells(n=40)
    views = Views(instances)
    slots = {i.id: views.slot(i.id) for i in instances}
    fill, outline = np.zeros(len(views.ids), np.uint16), np.full(len(views.ids), 7, np.uint16)
    for i in instances:
        fill[slots[i.id]], outline[slots[i.id]] = 1000 + i.id, i.category
    outline[0] = HATCH
    image = np.full(SHAPE, 9, np.uint16)
    for box in boxes:
        views.paint(image, box, fill=fill, outline=outline)
    inside = np.where(views.top, 1000 + views.ids[views.top], 0)
    np.testing.assert_array_equal(image, np.where(views.outlines, views.outlines, inside))


@pytest.mark.parametrize("stop", [0, 1, 2, 3, 100])
def test_views_composed_in_steps_follow_what_changes_between_them(stop):
    """However far they came, and whether one goes on with them or begins anew."""
    instances, rng = cells(400, seed=4), np.random.default_rng(stop)
    views = Views(instances, later=True)
    for turn, _ in zip(range(stop), views.steps(), strict=False):
        instances.set(turn + 1, None)
        if turn % 2:  # a stroke is shown at once
            instances.set(turn + 50, replace(instances[turn + 50], category=3))
            views.update(ids=[turn + 50])
    if stop == 2:
        views.show(instances.filter(min_score=0.5))
        assert all(len(boxes) <= 64 for boxes in views.steps())
        assert_views_show(views, instances.filter(min_score=0.5))
        views.show(instances)
    list(views.steps())
    assert_views_show(views, instances)
    for id in rng.choice(instances.ids, 100, replace=False).tolist():
        instances.set(id, replace(instances[id], category=2))
    list(views.steps())
    assert_views_show(views, instances)
    assert list(views.steps()) == []


def crowd(n=3000, shape=(600, 500)):
    """Cells so dense that each pixel lies in several."""
    places = np.random.default_rng(0).integers(0, 480, (n, 2)).tolist()
    return Instances(shape, [Instance(k, y, x, np.ones((15, 15), bool)) for k, (y, x) in enumerate(places, 1)])


def counted(instances):
    """(H, W) how many cells each pixel lies in."""
    count = np.zeros(instances.shape, int)
    for cell in instances:
        y0, x0, y1, x1 = cell.box
        count[y0:y1, x0:x1] += cell.mask
    return count


def test_no_step_composes_more_than_some_hundred_cells_however_dense_they_are():
    instances = crowd()
    views, sizes = Views(instances, later=True), []
    for boxes in views.steps():
        sizes.append(sum(len(instances.meeting(box)) for box in boxes))
    assert sum(sizes) >= len(instances)
    assert max(sizes) < len(instances) / 2
    np.testing.assert_array_equal(views.count, counted(instances))


def test_a_cell_as_large_as_the_plane_is_composed_in_several_steps():
    instances = crowd()
    views = Views(instances)
    instances.set(9000, Instance(9000, 0, 0, np.ones(instances.shape, bool), order=-1))
    sizes = [sum(len(instances.meeting(box)) for box in boxes) for boxes in views.steps()]
    assert max(sizes) < len(instances) / 2
    np.testing.assert_array_equal(views.count, counted(instances))
    assert (views.top > 0).all()
