"""Nothing that shows the same cells stands on both sides of a split."""

from dataclasses import replace

import numpy as np
import pytest
from recorded import record

from napari_centermask.core.errors import BadAnnotations, BadSettings
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.groups import sources_of
from napari_centermask.io.reviewed import PARTIAL, is_centred, truth_of
from napari_centermask.io.trained_on import merged, overlap, places_in, places_of
from napari_centermask.training.data.split import hold_out


def test_frames_planes_and_equal_files_belong_to_their_source(cells, tmp_path):
    names = ("well_t003.tif", "well_t-004_z12.tif", "image_12.png", "copy.png", "own.png")
    for name in names:
        (tmp_path / name).write_bytes(b"same" if name in ("image_12.png", "copy.png") else name.encode())
    records = [replace(record(name, cells), path=tmp_path / name) for name in names]
    records[-1] = replace(records[-1], extra={"group": "plate 4"})
    first, second, third, fourth, last = sources_of(records)
    assert first == second
    assert third == fourth
    assert (last, len({first, third, last})) == ("plate 4", 3)


def test_no_source_is_on_both_sides_and_about_the_part_is_held_out(cells):
    records = [record(f"{source}_t{t}.png", cells) for source in "abcdefgh" for t in range(3)]
    splits = [hold_out(records, val_part=0.25, seed=seed) for seed in range(5)]
    for parts in splits:
        train, val = (set(sources_of(side)) for side in (parts.train, parts.val))
        assert not train & val
        assert train | val == set("abcdefgh")
        n_val = sum(len(r.instances) for r in parts.val)
        assert 0.1 < n_val / sum(len(r.instances) for r in records) < 0.4
    assert len({tuple(r.file_name for r in p.val) for p in splits}) > 1


def test_of_five_images_none_with_hardly_a_cell_judges_alone_and_none_with_more_than_the_part(cells):
    records = [record(f"{name}.png", cells, n=n) for name, n in zip("abcde", (16, 14, 12, 15, 1), strict=True)]
    for seed in range(6):
        parts = hold_out(records, seed=seed)
        assert parts.kind == "regions"
        assert 6 < sum(len(truth_of(r, partial=True).instances) for r in parts.val) <= 0.2 * 58


def test_of_few_images_a_place_of_each_judges(cells):
    records = [record(f"{name}.png", cells, n=14) for name in "abc"]
    parts = hold_out(records)
    assert (parts.kind, parts.n_groups) == ("regions", 3)
    names = ["a.png", "b.png", "c.png"]
    assert [[r.file_name for r in side] for side in (parts.train, parts.val)] == [names, names]
    truths = [[truth_of(r, partial=True) for r in side] for side in (parts.train, parts.val)]
    for whole, train, val in zip(records, *truths, strict=True):
        assert len(train.instances) >= 1
        assert len(val.instances) >= 1
        assert len(train.instances) + len(val.instances) == len(whole.instances)
        assert not {c.box for c in train.instances} & {c.box for c in val.instances}


def test_only_what_was_reviewed_judges(cells):
    def cut(name, regions):
        one = record(name, cells, reviewed=regions)
        accepted = [replace(c, status="accepted") for c in one.instances]
        return replace(one, instances=type(one.instances)(one.shape, accepted))

    single, whole, other = cut("a.png", ()), cut("b.png", ((0, 0, 120, 160),)), cut("c.png", ((0, 0, 120, 160),))
    for seed in range(5):
        assert "a.png" not in {r.file_name for r in hold_out([single, whole, other], seed=seed).val}
    parts = hold_out([single, whole])
    assert (parts.kind, [r.file_name for r in parts.val]) == ("regions", ["b.png"])
    assert sorted(r.file_name for r in parts.train) == ["a.png", "b.png"]
    with pytest.raises(BadAnnotations, match="Mark a region"):
        hold_out([replace(single, extra={PARTIAL: True})])


def test_one_image_is_cut_in_two_places_that_share_no_cell(cells):
    (train,), (val,) = (lambda s: (s.train, s.val))(hold_out([record("only.png", cells, n=12)]))
    truths = [truth_of(r, partial=True) for r in (train, val)]
    assert all(len(t.instances) for t in truths)
    assert not set(truths[0].instances.ids) & set(truths[1].instances.ids)
    assert {c.id for c in truths[0].doubtful} == set(truths[1].instances.ids)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_cells_in_rows_are_held_out_a_row_at_a_time(n):
    mask = np.ones((21, 21), bool)
    spots = [Instance(1 + y * n + x, 10 + 30 * y, 10 + 30 * x, mask) for y in range(n) for x in range(n)]
    parts = hold_out([ImageRecord(1, "only.png", None, (140, 130), Instances((140, 130), spots))])
    counts = [len(truth_of(r, partial=True).instances) for r in (*parts.train, *parts.val)]
    assert counts == [n * (n - 1), n]


@pytest.mark.parametrize("rows", [(5, 40), (98, 112)])
def test_both_places_of_an_image_whose_cells_lie_at_one_end_hold_some(rows):
    mask = np.ones((6, 6), bool)
    spots = [Instance(n, y, 10 * n, mask) for n, y in enumerate(np.linspace(*rows, 8).astype(int), start=1)]
    one = ImageRecord(1, "only.png", None, (120, 90), Instances((120, 90), spots))
    parts = hold_out([one])
    counts = [len(truth_of(r, partial=True).instances) for r in (*parts.train, *parts.val)]
    assert sum(counts) == 8
    assert 1 <= counts[1] < counts[0]


def test_unreviewed_cells_in_another_frame_of_the_only_source_are_not_truth(cells):
    first = record("well_t1.png", cells, reviewed=((0, 0, 120, 160),))
    second = record("well_t2.png", cells, n=12)
    kept = [replace(c, status="accepted" if n < 5 else "predicted") for n, c in enumerate(second.instances)]
    parts = hold_out([first, replace(second, instances=Instances(second.shape, kept))])
    assert parts.kind == "regions"
    assert [r.file_name for r in parts.val] == ["well_t1.png"]
    (trained,) = (truth_of(r, partial=True) for r in parts.train if r.file_name == "well_t2.png")
    held = parts.val[0].reviewed
    assert trained.reviewed == ()
    assert {c.id for c in trained.instances} == {c.id for c in kept[:5] if not is_centred(c, held)}


def test_several_regions_of_one_image_are_shared_out(cells):
    regions = ((0, 0, 60, 80), (60, 0, 120, 80), (0, 80, 60, 160))
    parts = hold_out([record("only.png", cells, reviewed=regions)])
    assert parts.kind == "regions"
    assert sorted(parts.train[0].reviewed + parts.val[0].reviewed) == sorted(regions)


def known(side):
    return {r.file_name: truth_of(r, partial=True) for r in side}


def test_regions_that_overlap_share_no_cell_between_the_sides():
    mask = np.ones((4, 4), bool)
    spots = [Instance(n, y, x, mask) for n, (y, x) in enumerate(((4, 10), (44, 10), (64, 40), (86, 40), (120, 40)), 1)]
    one = ImageRecord(
        1, "a.png", None, (150, 100), Instances((150, 100), spots), reviewed=((0, 0, 100, 100), (50, 0, 150, 100))
    )
    parts = hold_out([one])
    train, val = known(parts.train)["a.png"], known(parts.val)["a.png"]
    assert len(val.instances) >= 1
    assert not set(train.instances.ids) & set(val.instances.ids)
    assert not overlap(train.reviewed, val.reviewed)
    assert set(train.instances.ids) | set(val.instances.ids) == {1, 2, 3, 4, 5}


def test_what_is_held_out_in_one_frame_is_so_in_all(cells):
    first = record("well_t1.png", cells, reviewed=((0, 0, 55, 160), (60, 0, 120, 160)))
    second = record("well_t2.png", cells, reviewed=((0, 0, 120, 160),))
    parts = hold_out([first, second])
    held = [box for r in parts.val for box in r.reviewed]
    assert len(parts.val) == 2
    assert not any(overlap(r.reviewed, held) for r in parts.train)


def test_a_region_without_cells_is_not_the_one_that_judges():
    mask = np.ones((4, 4), bool)
    spots = [Instance(n, 70 + 8 * (n % 5), 10 * n, mask) for n in range(1, 7)]
    one = ImageRecord(
        1, "a.png", None, (120, 90), Instances((120, 90), spots), reviewed=((0, 0, 60, 90), (60, 0, 120, 90))
    )
    parts = hold_out([one])
    assert 1 <= len(known(parts.val)["a.png"].instances) < 6


@pytest.mark.parametrize("seed", range(4))
def test_images_that_the_start_model_was_trained_on_are_not_held_out(images, seed):
    names = [f"{c}.png" for c in "abcdef"]
    first = hold_out(images(names), seed=seed)
    trained_on = places_of(first.train)
    second = hold_out(images([*names, "g.png"]), seed=seed + 1, trained_on=trained_on)
    assert second.kind == "images"
    assert second.val
    assert not {r.file_name for r in second.val} & {r.file_name for r in first.train}
    third = hold_out(
        images([*names, "g.png", "h.png"]), seed=seed, trained_on=merged(trained_on, places_of(second.train))
    )
    assert not {r.file_name for r in third.val} & {r.file_name for r in (*first.train, *second.train)}


def test_where_all_images_were_partly_trained_on_the_same_places_are_held_out(images):
    names = [f"{c}.png" for c in "abcd"]
    first = hold_out(images(names))
    trained_on = places_of(first.train)
    second = hold_out(images([*names, "e.png"]), trained_on=trained_on)
    assert second.kind == "regions"
    assert {r.file_name: r.reviewed for r in first.val}.items() <= {r.file_name: r.reviewed for r in second.val}.items()
    assert not any(overlap(r.reviewed, places_in(r, trained_on)) for r in second.val)


def test_a_region_that_was_trained_on_is_not_held_out_when_another_comes(images):
    (one,) = images(["a.png"], n=16)
    regions = ((0, 0, 60, 80), (60, 0, 120, 80), (0, 80, 60, 160))
    first = hold_out([replace(one, reviewed=regions)])
    trained_on = places_of(first.train)
    second = hold_out([replace(one, reviewed=(*regions, (60, 80, 120, 160)))], trained_on=trained_on)
    assert not overlap(second.val[0].reviewed, places_in(one, trained_on))


@pytest.mark.parametrize("part", [0, 1, 1.5, -0.1])
def test_a_fraction_of_0_or_1_is_refused(cells, part):
    with pytest.raises(BadSettings, match="between 0 and 1"):
        hold_out([record(name, cells) for name in ("a.png", "b.png")], val_part=part)
