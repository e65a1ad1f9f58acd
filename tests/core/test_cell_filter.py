import numpy as np
import pytest

from napari_centermask.core.cell_filter import matching
from napari_centermask.core.columns import Columns
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result


@pytest.fixture
def columns():
    fields = {
        1: {"score": 0.5, "status": "predicted", "category": 1, "source": "nuclei"},
        2: {"score": 0.9, "status": "accepted", "category": 2, "source": "nuclei"},
        3: {"score": 1.0, "status": "corrected", "category": 2, "source": "manual"},
        12: {"score": 0.5, "status": "rejected", "category": 1, "source": "manual"},
    }
    cells = [Instance(k, 10 * n, 0, np.ones((5, 2 + n), bool), **f) for n, (k, f) in enumerate(fields.items())]
    result = Result((100, 100))
    result.put((), Instances((100, 100), cells, categories={1: "Round", 2: "Long cell"}), keep_ids=True)
    columns = Columns(result)
    columns.measure()
    return columns


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", [1, 2, 3, 12]),
        ("12", [12]),
        ("1", [1]),
        ("score<0.6", [1, 12]),
        ("score<=0.9", [1, 2, 12]),
        ("score=0.9", [2]),
        ("score!=0.5", [2, 3]),
        ("Score>50%", [2, 3]),
        ("area>=15", [2, 3, 12]),
        ("accepted", [2]),
        ("ted", [1, 2, 3, 12]),
        ("long", [2, 3]),
        ("manual", [3, 12]),
        ("manual rejected", [12]),
        ("manual score<0.6", [12]),
        ("overlap=0", [1, 2, 3, 12]),
        ("nothing", []),
    ],
)
def test_filters(columns, text, ids):
    assert sorted(columns.data["id"][matching(columns, text)]) == ids


def test_what_is_not_measured_does_not_match(columns):
    columns.data["overlap"] = np.nan
    assert not matching(columns, "overlap!=0.5").any()


@pytest.mark.parametrize("text", ["size>3", "score<much", "score<", "<3", "a=b=c"])
def test_mistakes_are_explained(columns, text):
    with pytest.raises(BadSettings, match="Example: score<0.6"):
        matching(columns, text)
