"""Categories of very different sizes: each is trained on at a scale of its own."""

import numpy as np
import pytest
from PIL import Image
from sampled import PLAIN

from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.size_levels import SizeLevel, size_levels
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.models.idle_settings import idle_in_training
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import PreprocessSettings
from napari_centermask.training.data.checks import check_data
from napari_centermask.training.data.facts import data_facts
from napari_centermask.training.data.inputs import check_inputs
from napari_centermask.training.data.loader import tiles_of
from napari_centermask.training.data.scales import levels_of
from napari_centermask.training.run import defaults


def disk(number, y, x, radius, category):
    yy, xx = np.ogrid[: 2 * radius + 1, : 2 * radius + 1]
    mask = (yy - radius) ** 2 + (xx - radius) ** 2 <= radius**2
    return Instance(number, y - radius, x - radius, mask, category=category)


@pytest.fixture
def sized(tmp_path, settings):
    """Settings of a run on cells of 101 pixels, each around a nucleus of 15."""
    (tmp_path / "sized" / "images").mkdir(parents=True)
    for split in ("train", "val"):
        truth = Instances((360, 480), categories={1: "nucleus", 2: "cell"})
        image = np.full(truth.shape, 20, np.uint8)
        for n, (y, x) in enumerate((y, x) for y in (90, 270) for x in (80, 240, 400)):
            truth.set(2 * n + 1, disk(2 * n + 1, y, x, 50, 2))
            truth.set(2 * n + 2, disk(2 * n + 2, y, x, 7, 1))
        for cell in sorted(truth, key=lambda c: -c.area):
            y0, x0, y1, x1 = cell.box
            image[y0:y1, x0:x1][cell.mask] = 120 if cell.category == 2 else 220
        Image.fromarray(image).save(tmp_path / "sized" / "images" / f"{split}.png")
        write_coco(
            tmp_path / "sized" / f"annotations_{split}.json", [ImageRecord(1, f"{split}.png", None, truth.shape, truth)]
        )
    model = settings.model.model_copy(update={"categories": ["nucleus", "cell"]})
    changes = {"data": [tmp_path / "sized"], "model": model, "augment": PLAIN, "diameters": "per-category"}
    return settings.model_copy(update=changes)


def test_categories_within_three_times_share_a_scale():
    assert size_levels({"cell": 45.0, "nucleus": 16.0}) == (
        SizeLevel(("nucleus", "cell"), pytest.approx(26.83, abs=0.01)),
    )
    levels = size_levels({"cell": 133.0, "nucleus": 19.0, "dead": 100.0})
    assert [level.categories for level in levels] == [("nucleus",), ("dead", "cell")]


def test_each_tile_shows_the_cells_of_one_size_at_the_models_size(sized):
    tiles, seen = tiles_of(sized), set()
    for number in range(24):
        tile = tiles[number]
        assert len(set(tile.classes.tolist())) <= 1
        seen |= set(tile.classes.tolist())
        whole = [m for m, b in zip(tile.masks, tile.boxes, strict=True) if b.min() > 1 and b.max() < sized.tile - 1]
        for mask in whole:
            assert 0.5 * sized.diameter < np.sqrt(mask.sum() * 4 / np.pi) < 1.7 * sized.diameter
        if tile.classes.size and tile.classes[0] == 1:  # nuclei, far too small here, are neither cells nor background
            assert len(tile.ignore)
    assert seen == {0, 1}


def test_one_scale_shows_nuclei_of_a_few_pixels(sized):
    tiles = tiles_of(sized.model_copy(update={"diameters": "one"}))
    both = [tile for number in range(24) if len(set((tile := tiles[number]).classes.tolist())) == 2]
    assert both
    smallest = min(mask.sum() for tile in both for mask in tile.masks[tile.classes == 0])
    assert np.sqrt(smallest * 4 / np.pi) < 0.4 * sized.diameter


def test_the_card_keeps_the_scales(sized):
    facts = data_facts(sized, {})
    card = ModelCard(name="sized", licence="BSD-3-Clause", model=sized.model, diameter=28.0, training=facts)
    assert [level.categories for level in card.levels] == [("nucleus",), ("cell",)]
    assert [level.diameter for level in card.levels] == pytest.approx([13.8, 99.9], abs=0.6)
    assert ModelCard.from_json(card.to_json()).levels == card.levels
    assert "levels" not in data_facts(sized.model_copy(update={"diameters": "one"}), {})


def test_a_category_without_whole_cells_is_looked_for_among_the_largest(sized):
    truth = Instances((360, 480), categories={1: "nucleus", 2: "cell", 3: "sheet"})
    sheet = Instance(3, 0, 300, np.ones((360, 120), bool), category=3)
    for cell in (disk(1, 90, 80, 7, 1), disk(2, 90, 80, 50, 2), sheet):
        truth.set(cell.id, cell)
    model = sized.model.model_copy(update={"categories": ["sheet", "nucleus", "cell"]})
    levels = levels_of([[truth]], sized.model_copy(update={"model": model}))
    assert [level.categories for level in levels] == [("nucleus",), ("cell", "sheet")]
    rows = [{"categories": list(level.categories), "diameter": level.diameter} for level in levels]
    assert ModelCard(name="a", licence="MIT", model=model, diameter=28.0, training={"levels": rows}).levels == levels


@pytest.mark.parametrize(
    "rows",
    [
        [{"categories": ["nucleus"], "diameter": 19.0}],
        [{"categories": ["nucleus"], "diameter": 19.0}, {"categories": ["yeast"], "diameter": 133.0}],
        [{"categories": ["nucleus"], "diameter": 19.0}, {"categories": ["cell"], "diameter": -1}],
        [{"categories": ["nucleus"], "diameter": 19.0}, {"categories": ["nucleus"], "diameter": 133.0}],
        "none",
    ],
)
def test_scales_that_do_not_fit_the_card_are_left_out(sized, rows):
    card = ModelCard(name="a", licence="MIT", model=sized.model, diameter=28.0, training={"levels": rows})
    assert card.levels == ()


def test_a_training_at_one_scale_warns_of_sizes_that_do_not_fit_it(sized):
    assert check_data(sized) == []
    (warning,) = check_data(sized.model_copy(update={"diameters": "one"}))
    assert warning.startswith("nucleus (14 px) and cell (100 px) are too different in size for one scale.")


def test_one_click_chooses_a_scale_for_each_size(sized):
    found = defaults.suggest(sized.data[0], sized.out, machine=defaults.Machine(2))
    assert found.settings.diameters == "per-category"
    assert "nucleus of 14 px, cell of 100 px" in found.reasons["diameters"]


def test_several_scales_need_several_categories_and_no_correction_of_one_scale(sized, settings):
    assert "diameters" in idle_in_training(settings.model_copy(update={"diameters": "per-category"}))
    assert "diameters" not in idle_in_training(sized)
    corrected = sized.model_copy(update={"preprocess": PreprocessSettings(background="gaussian")})
    with pytest.raises(BadSettings, match="diameters=one"):
        check_inputs(corrected)
