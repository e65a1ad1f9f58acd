"""Boundary IoU against cases counted by hand and the erosion of the paper's program."""

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.evaluation.boundary import band_width, boundary, boundary_iou
from napari_centermask.evaluation.report import evaluate
from napari_centermask.evaluation.table import format_table


def square(side, y0=0, x0=0):
    return Instance(id=0, y0=y0, x0=x0, mask=np.ones((side, side), bool))


def test_six_by_six_square_shifted_by_a_pixel():
    """Bands of 20 pixels; they share the top and bottom row of 5, and nothing of the sides, which lie beside each other."""
    a, b = square(6), square(6, x0=1)
    assert band_width(a) == 1
    assert int(boundary(a.mask, 1).sum()) == 20
    assert boundary_iou(a, b) == 10 / 30
    assert boundary_iou(a, a) == 1.0


@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_band_is_what_so_many_erosions_take(cells, width):
    for cell in cells(n=12, overlap=0.3, seed=width, radius=9):
        inner = binary_erosion(np.pad(cell.mask, 1), np.ones((3, 3)), iterations=width)[1:-1, 1:-1]
        np.testing.assert_array_equal(boundary(cell.mask, width), cell.mask & ~inner)


def test_equals_a_count_on_whole_images(cells):
    """The definition of the paper on full-size masks, without crops."""
    truth, found = cells(n=8, overlap=0.0, seed=1, radius=12), cells(n=8, overlap=0.0, seed=2, radius=12)

    def band(cell, width):
        whole = np.zeros(truth.shape, bool)
        y0, x0, y1, x1 = cell.box
        whole[y0:y1, x0:x1] = cell.mask
        padded = np.pad(whole, 1)
        return whole & ~binary_erosion(padded, np.ones((3, 3)), iterations=width)[1:-1, 1:-1]

    for a in truth:
        for b in found:
            width = max(1, round(0.2 * np.sqrt(a.area / np.pi)))
            one, two = band(a, width), band(b, width)
            assert boundary_iou(a, b) == pytest.approx((one & two).sum() / (one | two).sum())


def test_an_outline_off_by_pixels_hardly_lowers_the_iou_of_a_large_cell_but_the_boundary_iou():
    truth = Instances((70, 70), [square(60)])
    report = evaluate([(truth, Instances((70, 70), [square(60, y0=5)]), None)])
    data = report.to_json()
    assert data["mean_iou_matched"] == pytest.approx(55 / 65)
    assert data["boundary"]["iou_matched"] < 0.5
    assert data["bioimage_ap"]["0.80"] == 1.0
    assert data["boundary"]["bioimage_ap"]["0.50"] == 0.0
    assert report.per_image[0]["boundary_iou"] == data["boundary"]["iou_matched"]
    assert "Boundary IoU" in format_table(report)


def test_a_ring_is_not_a_cell_though_its_outline_fits():
    ring = np.ones((40, 40), bool)
    ring[6:-6, 6:-6] = False
    truth, found = Instances((40, 40), [square(40)]), Instances((40, 40), [Instance(id=0, y0=0, x0=0, mask=ring)])
    data = evaluate([(truth, found, None)]).to_json()
    assert data["boundary"]["bioimage_ap"]["0.50"] == 1.0  # IoU 0.51
    assert data["boundary"]["bioimage_ap"]["0.55"] == 0.0
    assert data["boundary"]["iou_matched"] > 0.8


def test_a_perfect_prediction_has_perfect_outlines(cells):
    truth = cells(n=20, overlap=0.6)
    boundary = evaluate([(truth, truth, None)]).to_json()["boundary"]
    assert set(boundary["bioimage_ap"].values()) == {boundary["iou_matched"], boundary["bioimage_ap_mean"]} == {1.0}


def test_without_cells_there_is_nothing_to_measure():
    empty = Instances((5, 5))
    boundary = evaluate([(empty, empty, None)]).to_json()["boundary"]
    assert boundary["iou_matched"] is boundary["bioimage_ap_mean"] is None
