"""A frozen data set holds what was reviewed, split by its sources."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image
from recorded import record

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instances
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.images import read_plane
from napari_centermask.io.project import Project
from napari_centermask.io.project_import import import_into
from napari_centermask.io.reviewed import is_partial, truth_of
from napari_centermask.io.trained_on import fingerprint, merged, places_in, places_of
from napari_centermask.training.data.dataset import freeze_dataset, read_records
from napari_centermask.training.data.facts import data_hash
from napari_centermask.training.run.defaults import facts_of


@pytest.fixture
def source(tmp_path, cells):
    folder = tmp_path / "source"
    (folder / "images").mkdir(parents=True)
    records = []
    for number in range(4):
        cell = record(f"{number}.png", cells)
        human = [replace(c, status="corrected" if n % 2 else "predicted") for n, c in enumerate(cell.instances)]
        regions = ((0, 0, 120, 80),) if number == 0 else ()
        left = type(cell.instances)(cell.shape, human)
        records.append(replace(cell, id=number + 1, instances=left, reviewed=regions))
        Image.fromarray(np.zeros(cell.shape, np.uint8)).save(folder / "images" / f"{number}.png")
    write_coco(folder / "annotations.json", records)
    return folder


@pytest.mark.parametrize("n", [6, 24, 60])
def test_all_that_is_held_out_is_at_most_the_part(cells, tmp_path, n):
    (tmp_path / "images").mkdir()
    names = [f"{number}.png" for number in range(n)]
    records = [replace(record(name, cells, n=5 + k % 7), id=k) for k, name in enumerate(names, start=1)]
    for k, name in enumerate(names):
        Image.fromarray(np.full((120, 160), k, np.uint8)).save(tmp_path / "images" / name)
    write_coco(tmp_path / "annotations.json", records)
    freeze_dataset(tmp_path, tmp_path / "data")
    known = read_coco(tmp_path / "data" / "annotations_train.json")
    part = is_partial(known)
    left = sum(len(truth_of(r, partial=part).instances) for r in known)
    assert 0.8 <= left / sum(len(r.instances) for r in records) <= 0.9


def test_a_frozen_half_still_knows_that_it_is_partly_reviewed(source, tmp_path):
    freeze_dataset(source, tmp_path / "data")
    for part in ("train", "val"):
        records = read_coco(tmp_path / "data" / f"annotations_{part}.json", images_root=tmp_path / "data" / "images")
        assert is_partial(records)
        assert all(r.path.is_file() for r in records)


def test_a_category_that_no_cell_has_is_not_part_of_the_data(source, tmp_path):
    """A new project has one called cell, and gets another from its model: nobody wants a model of two."""
    path = source / "annotations.json"
    values = json.loads(path.read_text())
    for annotation in values["annotations"]:
        annotation["category_id"] = 2
    values["categories"] = [{"id": 1, "name": "cell"}, {"id": 2, "name": "nucleus"}]
    path.write_text(json.dumps(values))
    freeze_dataset(source, tmp_path / "data")
    assert facts_of(tmp_path / "data").categories == ("nucleus",)
    for kept in read_coco(tmp_path / "data" / "annotations_val.json"):
        assert list(kept.instances.categories.values()) == ["nucleus"]


def test_what_the_threshold_hides_is_not_a_cell_of_a_reviewed_image(tmp_path, cells):
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((120, 160), ord(name[0]), np.uint8)).save(folder / name)
    with Project.open(folder) as project:
        for id in (1, 2):
            result = project.result(id)
            result.threshold = 0.5
            instances = [
                replace(c, score=0.9 if n < 6 else 0.3) for n, c in enumerate(record("a.png", cells, n=9).instances)
            ]
            project.set_predictions(id, Instances((120, 160), instances), model="nuclei")
            project.set_status(id, "reviewed")
        project.save()
    freeze_dataset(folder, tmp_path / "data")
    parts = [read_coco(tmp_path / "data" / f"annotations_{part}.json") for part in ("train", "val")]
    truths = [truth_of(record, partial=True) for records in parts for record in records]
    assert sum(len(t.instances) for t in truths) == 12
    assert all(c.score == 0.9 for t in truths for c in t.instances)


def test_no_place_trained_on_is_tested_on_later(tmp_path, images):
    names = [f"{n}.png" for n in range(14)]
    (tmp_path / "images").mkdir()
    records = [replace(r, id=n) for n, r in enumerate(images(names), start=1)]
    for r in records:
        r.path.rename(tmp_path / "images" / r.file_name)
    write_coco(tmp_path / "annotations.json", records)
    folder = tmp_path / "data"
    trained_on = {}
    for _ in range(3):
        freeze_dataset(tmp_path, folder, trained_on=trained_on)
        sides = {
            s: read_coco(folder / f"annotations_{s}.json", images_root=folder / "images")
            for s in ("train", "val", "test")
            if (folder / f"annotations_{s}.json").exists()
        }
        judged = [r for s in ("val", "test") for r in sides.get(s, [])]
        assert judged
        assert not any(places_in(r, trained_on) for r in judged)
        trained_on = merged(trained_on, places_of(sides["train"]))


def test_too_few_cells_are_refused_with_what_to_do(tmp_path, cells):
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((120, 160), np.uint8)).save(tmp_path / "images" / "a.png")
    write_coco(tmp_path / "annotations.json", [record("a.png", cells, n=2)])
    with pytest.raises(BadAnnotations, match="Correct more cells"):
        freeze_dataset(tmp_path, tmp_path / "data")


def test_many_sources_leave_some_on_which_nothing_is_chosen(tmp_path, cells):
    (tmp_path / "images").mkdir()
    names = [f"{n}.png" for n in range(60)]
    for n, name in enumerate(names):
        Image.fromarray(np.full((120, 160), n, np.uint8)).save(tmp_path / "images" / name)
    write_coco(tmp_path / "annotations.json", [replace(record(m, cells), id=n) for n, m in enumerate(names, start=1)])
    freeze_dataset(tmp_path, tmp_path / "data")
    parts = [
        {r.file_name for r in read_coco(tmp_path / "data" / f"annotations_{s}.json")} for s in ("train", "val", "test")
    ]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts)) == 60
    assert min(map(len, parts)) >= 5
    write_coco(
        tmp_path / "annotations.json", [replace(record(m, cells), id=n) for n, m in enumerate(names[:4], start=1)]
    )
    freeze_dataset(tmp_path, tmp_path / "data")  # with few there is none, and that of before would not be held out
    assert not (tmp_path / "data" / "annotations_test.json").exists()


def test_images_may_lie_beside_the_annotations(source, tmp_path):
    beside = tmp_path / "beside"
    beside.mkdir()
    for path in [*source.glob("annotations*.json"), *(source / "images").iterdir()]:
        shutil.copy(path, beside)
    expected = read_records(source)
    found = read_records(beside)
    assert [r.path for r in found] == [beside / r.file_name for r in expected]


def test_crowd_regions_of_a_project_are_ignored_in_the_frozen_data(source, tmp_path, cells):
    """As those of a folder are: there are neither cells nor background."""
    whole = record("0.png", cells)
    (region,) = cells(n=1, shape=whole.shape, radius=9, seed=3)
    theirs = tmp_path / "theirs.json"
    write_coco(theirs, [replace(record(f"{n}.png", cells), id=n + 1, crowds=(region,)) for n in range(2)])
    (source / "annotations.json").unlink()
    with Project.create(source) as project:
        import_into(project, theirs)
        project.save()
    freeze_dataset(source, tmp_path / "data")
    for part in ("train", "val"):
        for kept in read_coco(tmp_path / "data" / f"annotations_{part}.json"):
            assert [c.box for c in kept.crowds] == [region.box]


def _ome_tiff(folder, planes):
    """An image for each plane, all in one file."""
    with tifffile.TiffWriter(folder / "slide.ome.tif", ome=True) as file:
        for name, plane in planes.items():
            file.write(plane, metadata={"Name": name})
    return "slide.ome.tif", "slide.ome.tif/"


def _plate(folder, planes):
    """A field of an OME-Zarr for each plane."""
    zarr = pytest.importorskip("zarr")
    plate = zarr.open_group(store=str(folder / "plate.zarr"), mode="w", zarr_format=2)
    plate.attrs["plate"] = {"wells": [{"path": "A/1"}]}
    well = plate.create_group("A/1")
    well.attrs["well"] = {"images": [{"path": name} for name in planes]}
    for name, plane in planes.items():
        field = well.create_group(name)
        field.attrs["multiscales"] = [{"axes": ["y", "x"], "datasets": [{"path": "0"}]}]
        field.create_array("0", shape=plane.shape, dtype=plane.dtype)[...] = plane
    return "plate.zarr/A/1", "plate_A_1_"


@pytest.mark.parametrize("kind", [_ome_tiff, _plate])
def test_images_in_a_file_with_several_are_frozen_with_their_pixels_and_fingerprints(tmp_path, cells, kind):
    (tmp_path / "images").mkdir()
    planes = {str(k): np.full((120, 160), k, np.uint8) for k in range(4)}
    holder, start = kind(tmp_path / "images", planes)
    records = [replace(record(f"{holder}/{name}", cells, n=8), id=k) for k, name in enumerate(planes, start=1)]
    write_coco(tmp_path / "annotations.json", records)
    out = tmp_path / "data"
    for _ in range(2):  # the second time over the first
        freeze_dataset(tmp_path, out)
    files = [out / f"annotations_{part}.json" for part in ("train", "val")]
    frozen = {r.file_name: r.path for file in files for r in read_coco(file, images_root=out / "images")}
    assert all(name.startswith(start) for name in frozen)
    for name, plane in planes.items():
        (path,) = (p for n, p in frozen.items() if n.removesuffix(".zarr") == start + name)
        assert path.is_relative_to(out)
        np.testing.assert_array_equal(read_plane(path), plane[None])
        assert fingerprint(path) == fingerprint(tmp_path / "images" / holder / name)
    assert len(data_hash(out, "train")) == 64
