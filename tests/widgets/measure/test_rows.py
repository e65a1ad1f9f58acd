"""The order and the texts of the table."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_centermask.widgets.measure.measurements import Measurements
from napari_centermask.widgets.measure.rows import MeasureModel, shortened

MEASURED = Measurements(
    {
        "image": np.array(["a"] * 4, object),
        "id": np.array([7, 3, 5, 9]),
        "category": np.array(["nucleus", "cell", "nucleus", "cell"], object),
        "area_px": np.array([10.0, np.nan, 1234.5, 10.0]),
    }
)


@pytest.fixture
def model():
    model = MeasureModel()
    model.set_measured(MEASURED)
    return model


def column(model, name):
    at = model.names.index(name)
    return [model.data(model.index(row, at)) for row in range(model.rowCount())]


def test_what_is_not_defined_comes_last_in_either_order(model):
    area = model.names.index("area_px")
    model.sort(area, Qt.SortOrder.AscendingOrder)
    assert column(model, "id") == ["7", "9", "5", "3"]
    assert column(model, "area_px") == ["10", "10", "1,234", ""]
    model.sort(area, Qt.SortOrder.DescendingOrder)
    assert column(model, "id") == ["5", "7", "9", "3"]


def test_text_is_sorted_by_its_letters_and_the_order_stays_with_new_rows(model):
    model.sort(model.names.index("category"), Qt.SortOrder.AscendingOrder)
    assert column(model, "id") == ["3", "9", "5", "7"]
    model.set_measured(MEASURED)
    assert column(model, "id") == ["3", "9", "5", "7"]


def test_cells_and_places_are_found_from_each_other(model):
    model.sort(model.names.index("category"), Qt.SortOrder.AscendingOrder)
    assert model.places_of([7, 3]).tolist() == [0, 3]
    assert model.ids_at([0, 3]) == [3, 7]


@pytest.mark.parametrize(
    ("value", "text"), [(0.123456, "0.1235"), (12.3456, "12.35"), (123456.7, "123,457"), (0.0, "0"), (-2.5, "-2.5")]
)
def test_numbers_are_short(value, text):
    assert shortened(value) == text
