"""Measurements as columns."""

import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.io.measurements import Measured, cell_rows
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.measure.measurements import Measurements, measure_cells, title
from napari_centermask.widgets.work.tasks import Failed


def measured(image):
    steps = measure_cells(image)
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            assert all(isinstance(step, Progress) for step in seen)
            return end.value


@pytest.fixture
def image(cells):
    result = Result((90, 80), name="a.tif")
    result.put((), cells(n=60, overlap=0.2, shape=(90, 80), radius=5))
    pixels = np.random.default_rng(0).random((2, 90, 80))
    return Measured(result, lambda index: pixels, ("DAPI", "a_b"), pixel_size_um=0.25)


def test_columns_are_the_rows_of_the_files(image):
    found, rows = measured(image), list(cell_rows(image))
    assert found.ids.tolist() == [row["id"] for row in rows]
    for name, values in found.columns.items():
        assert values.tolist() == pytest.approx([row[name] for row in rows], nan_ok=True), name
    assert found.columns["id"].dtype == np.int64
    assert found.columns["mean_a_b"].dtype == np.float64
    assert found.seconds > 0


def test_the_usual_measures_come_first_and_all_of_them_are_listed(image):
    found = measured(image)
    assert found.listed[:4] == ["id", "category", "area_um2", "area_px"]
    assert set(found.listed) == set(found.columns) - {"image", "category_id"}
    assert set(found.numeric) == set(found.listed) - {"id", "category", "status", "source"}


def test_rows_are_found_by_cells(image):
    found = measured(image)
    some = found.ids[[4, 9]]
    assert found.rows_of([*some, 10_000]).tolist() == [4, 9]
    assert Measurements({}).rows_of([1]).tolist() == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("area_um2", "Area (µm²)"),
        ("nearest_centre_px", "Nearest centre (px)"),
        ("orientation_deg", "Orientation (°)"),
        ("corrected_mean_a_b", "Corrected mean a_b"),
        ("mean_DAPI", "Mean DAPI"),
        ("p_dead", "P(dead)"),
        ("neighbours", "Neighbours"),
        ("mask_quality", "Mask quality"),
        ("t", "T"),
    ],
)
def test_headings_have_words_and_units(name, words):
    assert title(name) == words


def test_an_image_that_does_not_fit_is_a_message():
    result = Result((90, 80), name="a.tif")
    result.put((), Instances((90, 80), [Instance(1, 3, 3, np.ones((5, 5), bool))]))
    answer = measured(Measured(result, lambda index: np.zeros((1, 9, 9)), ("grey",)))
    assert isinstance(answer, Failed)
    assert "The cells need an image" in answer.message
