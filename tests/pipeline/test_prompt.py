import time

import numpy as np
import pytest
from asking import OPTIONS, iou, middle
from scipy.ndimage import label

from napari_centermask.core.compose import from_label_image
from napari_centermask.core.errors import BadImage
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import read_truth
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline import prompt
from napari_centermask.pipeline.prompt import Prompter


@pytest.fixture(scope="module")
def asked(shared):
    """For the cells of two images with overlaps: (truth, by box, by click, features computed, CPU seconds of both)."""
    engine = load_engine("nuclei", engine="openvino", threads=1)
    n_features = []
    compute = engine.features
    engine.features = lambda tiles: n_features.append(1) or compute(tiles)
    rows = []
    for record in read_truth(shared / "data" / "dsb_overlap_composite", "val")[:5:4]:
        prompter = Prompter(engine, read_plane(record.path))
        for cell in record.instances:
            before = len(n_features), time.process_time()
            y0, x0, y1, x1 = cell.box
            drawn = prompter.box(y0 - 1, x0 - 1, y1 + 1, x1 + 1)
            clicked = prompter.click(*middle(cell))
            rows.append((cell, drawn, clicked, len(n_features) - before[0], time.process_time() - before[1]))
    return rows


def test_a_box_around_a_cell_gives_the_cell(asked):
    ious = np.array([iou(cell, drawn) for cell, drawn, *_ in asked])
    assert len(ious) >= 20
    assert ious.mean() > 0.75
    assert (ious > 0.5).mean() > 0.95


def test_a_click_in_a_cell_gives_the_cell_also_where_cells_overlap(asked):
    ious = np.array([iou(cell, clicked) if clicked else 0 for cell, _, clicked, *_ in asked])
    assert (ious > 0.5).mean() > 0.85


def test_prompts_after_the_first_compute_no_features_and_take_less_than_100_ms_each(asked):
    later = [seconds for *_, computed, seconds in asked if not computed]
    assert len(later) > 0.7 * len(asked)
    assert np.median(later) < 2 * 0.1


def test_what_a_prompt_returns_is_a_draft_with_the_quality_that_the_model_expects(asked):
    for _, drawn, *_ in asked:
        assert (drawn.id, drawn.status, drawn.source) == (0, "predicted", "nuclei by box")
        assert drawn.is_draft
        assert drawn.score == drawn.mask_quality
        assert 0 < drawn.mask_quality <= 1


def test_a_scaled_field_is_asked_in_its_own_pixels(fake):
    image = fake.draw((700, 900), [(200, 300, 40), (450, 600, 35)])
    cells = list(from_label_image(label(image[0])[0]))
    prompter = Prompter(fake.engine(), image, OPTIONS.model_copy(update={"diameter": 75}))
    for cell in cells:
        assert iou(cell, prompter.box(*cell.box)) > 0.9
        assert iou(cell, prompter.click(*middle(cell))) > 0.9


def test_a_box_drawn_from_any_corner_is_the_same(fake):
    image = fake.draw((200, 200), [(100, 100, 20)])
    prompter = Prompter(fake.engine(), image, OPTIONS)
    first, other = prompter.box(79, 79, 121, 121), prompter.box(121, 79, 79, 121)
    assert first.equals(other)


def test_prompts_that_meet_nothing_are_none(fake):
    prompter = Prompter(fake.engine(), fake.draw((200, 200), [(100, 100, 20)]), OPTIONS)
    assert prompter.box(50, 50, 50, 90) is None
    assert prompter.box(-50, -50, -10, -10) is None
    assert prompter.click(-1, 5) is None
    assert prompter.click(5, 200) is None
    assert Prompter(fake.engine(), np.zeros((1, 99, 99)), OPTIONS).click(5, 5) is None


def test_wrong_images_are_refused_at_the_first_prompt(fake):
    with pytest.raises(BadImage, match="A plane must have"):
        Prompter(fake.engine(), np.zeros((2, 1, 50, 50)), OPTIONS).click(3, 3)


def test_features_are_kept_for_the_last_tiles_only(fake, monkeypatch):
    monkeypatch.setattr(prompt, "_KEPT_TILES", 2)
    engine = fake.engine()
    prompter = Prompter(engine, fake.draw((2000, 2000), [(100, 100, 20), (1900, 1900, 20), (100, 1900, 20)]), OPTIONS)
    for y, x in [(100, 100), (100, 100), (1900, 1900), (100, 100), (100, 1900), (1900, 1900)]:
        prompter.prepare(y, x)
    assert len(engine.tiles) == 4
