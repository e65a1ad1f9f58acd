"""What a card keeps of the data that its model was trained on."""

import shutil

import numpy as np
from PIL import Image

from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.training.data.facts import data_facts, data_hash, data_hashes


def test_diameters_are_those_of_whole_cells_of_the_data_and_not_of_the_replay(settings, folder, tmp_path, cells):
    known = tmp_path / "known"
    (known / "images").mkdir(parents=True)
    (known / "images" / "a.png").write_bytes(next((folder / "images").glob("train_*")).read_bytes())
    truth = cells(n=3, overlap=0.0, seed=9, shape=(160, 200))
    write_coco(known / "annotations_train.json", [ImageRecord(1, "a.png", None, truth.shape, truth)])
    write_coco(known / "annotations_val.json", [])
    facts = data_facts(settings.model_copy(update={"replay": [known]}), {"before": [(0, 0, 4, 4)]})
    whole = []
    for seed in (1, 2):
        for cell in cells(n=10, overlap=0.0, seed=seed, shape=(160, 200)):
            y0, x0, y1, x1 = cell.box
            if min(y0, x0) > 0 and y1 < 160 and x1 < 200:
                whole.append(2 * np.sqrt(cell.mask.sum() / np.pi))
    (sizes,) = facts["diameters"].values()
    np.testing.assert_allclose(sizes, np.percentile(whole, (10, 50, 90)), atol=0.051)
    assert set(facts["data"]) == {"data", "known"}
    assert "before" in facts["learned"]
    assert len(facts["learned"]) == 3  # two images of the data, one of which is the replay's too, and what was before


def test_the_card_lists_the_kinds_of_images(settings, tmp_path, cells):
    dark, (truth,) = tmp_path / "dark", [cells(n=12, overlap=0.0, seed=3, shape=(160, 200))]
    (dark / "images").mkdir(parents=True)
    light = sum(np.pad(c.mask, ((c.box[0], 160 - c.box[2]), (c.box[1], 200 - c.box[3]))) for c in truth)
    Image.fromarray((200 * light + 9).astype(np.uint8)).save(dark / "images" / "a.png")
    for split in ("train", "val"):
        write_coco(dark / f"annotations_{split}.json", [ImageRecord(1, "a.png", None, truth.shape, truth)])
    assert data_facts(settings.model_copy(update={"data": [dark], "replay": []}), {})["images"] == ["fluorescence"]


def test_the_hash_changes_with_a_pixel(folder):
    before = data_hash(folder, "train")
    path = folder / "images" / "train_1.png"
    path.write_bytes(path.read_bytes() + b"\0")
    assert data_hash(folder, "train") != before


def test_folders_of_one_name_keep_a_hash_each(folder, tmp_path):
    other = tmp_path / "other" / folder.name
    shutil.copytree(folder, other)
    (other / "annotations_train.json").write_bytes((folder / "annotations_val.json").read_bytes())
    hashes = data_hashes([folder, other])
    assert list(hashes) == [folder.name, f"{folder.name} 2"]
    assert hashes[folder.name] == {split: data_hash(folder, split) for split in ("train", "val")}
    assert hashes[f"{folder.name} 2"]["train"] == data_hash(other, "train") != hashes[folder.name]["train"]
