"""Every default comes from the data, the start model and the machine; a project becomes a run in one call."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_centermask.core.errors import BadAnnotations, BadImage, BadSettings
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.jobs.finetune import prepare
from napari_centermask.training.run.defaults import facts_of


@pytest.fixture
def source(tmp_path, cells):
    (tmp_path / "source" / "images").mkdir(parents=True)
    records = []
    for number in range(3):
        truth = cells(n=8, overlap=0.0, seed=number, shape=(160, 200))
        Image.fromarray(np.full(truth.shape, 20, np.uint8)).save(tmp_path / "source" / "images" / f"{number}.png")
        records.append(ImageRecord(number + 1, f"{number}.png", None, truth.shape, truth))
    write_coco(tmp_path / "source" / "annotations.json", records)
    return tmp_path / "source"


def test_facts_are_read_from_the_annotations(source):
    (source / "annotations.json").rename(source / "annotations_train.json")
    facts = facts_of(source)
    assert (facts.n_images, facts.n_cells, facts.side, facts.channels) == (3, 24, 160, 1)
    assert 20 < facts.diameter < 36


def test_one_call_makes_a_run_that_can_start(source):
    suggestion = prepare(source, "nuclei")
    assert suggestion.settings.out.parent == source / "runs"
    assert (suggestion.settings.data[0] / "annotations_val.json").is_file()
    assert prepare(source, "nuclei").settings.out != suggestion.settings.out


@pytest.mark.parametrize("name", ["best.safetensors", "last.pt"])
def test_an_earlier_run_is_not_written_over(source, tmp_path, name):
    out = tmp_path / "run"
    assert prepare(source, "nuclei", out=out).settings.out == out
    prepare(source, "nuclei", out=out)  # nothing was trained yet
    (out / name).write_bytes(b"model")
    with pytest.raises(BadSettings, match=rf"{name} of an earlier run"):
        prepare(source, "nuclei", out=out)
    assert (out / name).read_bytes() == b"model"


def test_a_project_is_read_while_it_is_open(source, cells):
    from napari_centermask.core.history import Change
    from napari_centermask.io.project.project import Project

    folder = source.parent / "project"
    with Project.create(folder, sorted((source / "images").glob("*.png"))) as project:
        for n, image in enumerate(project.images):
            result = project.result(image.id)
            new = [replace(c, status="corrected") for c in cells(n=8, overlap=0, seed=n, shape=(160, 200))]
            project.history(image.id).do("drawing", [Change((), c.id, None, c) for c in new])
            assert len(result) == 8
            project.set_status(image.id, "reviewed")
        suggestion = prepare(folder, "nuclei")
    assert facts_of(suggestion.settings.data[0]).n_cells + facts_of(suggestion.settings.data[0], "val").n_cells == 24


def test_images_that_do_not_fit_the_start_model_leave_no_run(source, tmp_path, monkeypatch):
    for path in (source / "images").iterdir():
        np.save(path.with_suffix(".npy"), np.zeros((5, *np.asarray(Image.open(path)).shape[:2]), np.uint8))
        annotations = (source / "annotations.json").read_text().replace(path.name, path.stem + ".npy")
        (source / "annotations.json").write_text(annotations)
    with pytest.raises(BadImage, match=r"has 5\. Choose another start model"):
        prepare(source, "nuclei", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nothing_is_left_of_a_run_that_cannot_be_made(tmp_path, source):
    (source / "annotations.json").unlink()
    with pytest.raises(BadAnnotations):
        prepare(source, "nuclei")
    assert not list((source / "runs").glob("*")) if (source / "runs").exists() else True


def test_a_folder_named_data_in_the_run_folder_stays_as_it_is(source, tmp_path):
    out = tmp_path / "mine"
    (out / "data" / "images").mkdir(parents=True)
    theirs = out / "data" / "images" / "0.png"
    theirs.write_bytes(b"a picture of their own")
    suggestion = prepare(source, "nuclei", out=out)
    assert [p for p in (out / "data").rglob("*") if p.is_file()] == [theirs]
    assert theirs.read_bytes() == b"a picture of their own"
    assert suggestion.settings.data == [out / "data-2"]
    assert prepare(source, "nuclei", out=out, seed=1).settings.data == [out / "data-2"]


def test_the_data_are_frozen_again_as_they_are_now(source, tmp_path):
    prepare(source, "nuclei", out=tmp_path / "run")
    records = json.loads((source / "annotations.json").read_text())
    records["images"] = records["images"][:2]
    records["annotations"] = [a for a in records["annotations"] if a["image_id"] != 3]
    (source / "annotations.json").write_text(json.dumps(records))
    (frozen,) = prepare(source, "nuclei", out=tmp_path / "run").settings.data
    assert frozen == tmp_path / "run" / "data"
    assert facts_of(frozen).n_images == 2
    assert sorted(path.name for path in (frozen / "images").iterdir()) == ["0.png", "1.png"]
