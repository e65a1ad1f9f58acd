"""Tables as CSV and Parquet, read back with other readers."""

import csv
import math

import pytest

from napari_centermask.core.errors import MissingExtra
from napari_centermask.io import tables
from napari_centermask.io.tables import check_table, table

COLUMNS = {"image": str, "id": int, "area": float}
ROWS = [{"image": "=a", "id": 1, "area": 1 / 3}, {"image": "b", "id": 2, "area": math.nan}, {"image": "c", "id": 3}]


def test_a_csv_has_text_for_formulas_seven_digits_and_gaps(tmp_path):
    with table(tmp_path / "a.part", COLUMNS, kind=".csv") as write:
        write(ROWS[:1])
        write(ROWS[1:])
    with (tmp_path / "a.part").open(newline="") as stream:
        read = list(csv.reader(stream))
    assert read == [["image", "id", "area"], ["'=a", "1", "0.3333333"], ["b", "2", ""], ["c", "3", ""]]


def test_parquet_keeps_types_all_digits_and_gaps(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    with table(tmp_path / "a.part", COLUMNS, kind=".Parquet") as write:
        write(ROWS[:1])
        write(ROWS[1:])
    read = parquet.read_table(tmp_path / "a.part")
    assert {name: str(read.schema.field(name).type) for name in COLUMNS} == {
        "image": "string",
        "id": "int64",
        "area": "double",
    }
    assert read.to_pydict() == {"image": ["=a", "b", "c"], "id": [1, 2, 3], "area": [1 / 3, None, None]}


def test_parquet_without_pyarrow_says_what_to_install_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'napari-centermask\[measure\]'.*CSV"):
        check_table(tmp_path / "a.PARQUET")
    check_table(tmp_path / "a.csv")
