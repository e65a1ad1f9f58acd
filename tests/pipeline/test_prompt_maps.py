"""Boxes and clicks are answered by the maps of a U-Net."""

import numpy as np
import pytest
from map_engine import MapEngine, draw, iou, options
from scipy import ndimage

from napari_centermask.pipeline import segment
from napari_centermask.pipeline.prompt import Prompter


@pytest.mark.parametrize("factor", [1.0, 1.7])
def test_boxes_and_clicks_give_the_cell(factor):
    image, labels, _kinds = draw((700, 640), radius=round(14 * factor), categories=2)
    engine = MapEngine(categories=("a", "b"))
    prompter = Prompter(engine, image, options(diameter=30 * factor))
    boxed, clicked = [], []
    for k, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        if min(rows.stop - rows.start, columns.stop - columns.start) < 10:
            continue
        drawn = prompter.box(rows.start, columns.start, rows.stop, columns.stop)
        boxed.append(iou(labels, k, drawn))
        y, x = np.argwhere(labels == k)[ndimage.distance_transform_edt(labels == k)[labels == k].argmax()]
        pointed = prompter.click(float(y), float(x))
        clicked.append(iou(labels, k, pointed))
        for cell in filter(None, (drawn, pointed)):
            assert cell.is_draft
            assert (cell.id, cell.score) == (0, cell.mask_quality)
            assert 0.5 < cell.mask_quality <= 1
    assert np.mean(boxed) > 0.85
    assert np.mean(clicked) > 0.9
    assert len(engine.tiles) < 0.1 * len(boxed)


def test_a_box_joins_what_the_watershed_parted_and_finds_what_is_weak():
    image = np.zeros((3, 200, 200), np.float32)
    image[0, 40:80, 40:120] = 1
    image[2, 50:70, 45:60] = image[2, 50:70, 100:115] = 0.8  # two seeds in one cell
    image[0, 150:170, 150:170] = 0.3  # below the threshold
    engine = MapEngine()
    assert len(segment(image, engine, options())) == 2
    prompter = Prompter(engine, image, options())
    (joined, weak), nothing = (
        (prompter.box(38, 38, 82, 122), prompter.box(149, 149, 172, 172)),
        prompter.box(5, 5, 30, 30),
    )
    assert joined.box == (40, 40, 80, 120)
    assert weak.box == prompter.click(160, 160).box == (150, 150, 170, 170)
    assert nothing is None
    assert prompter.click(10, 10) is None
    half = prompter.box(38, 38, 82, 60)
    assert half.box == (40, 40, 80, 60)


def test_what_is_drawn_is_as_sure_of_its_category_as_what_is_found():
    image = np.zeros((4, 120, 120), np.float32)
    image[0, 40:70, 40:70], image[1, 40:70, 40:70], image[3, 50:60, 50:60] = 0.8, 0.2, 0.8
    image[:, 110, 110] = 1  # so that intensities stay as they are
    engine = MapEngine(categories=("a", "b"))
    engine.card = engine.card.model_copy(update={"temperature": 3.0})
    (segmented,) = segment(image, engine, options())
    prompter = Prompter(engine, image, options())
    for cell in (prompter.box(40, 40, 70, 70), prompter.click(55, 55)):
        assert cell.probabilities == pytest.approx(segmented.probabilities)
    assert segmented.probabilities[0] == pytest.approx(0.61, abs=0.01)  # 0.8 and 0.2, each to the power of a third
