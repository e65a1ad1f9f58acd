import csv
import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_centermask import cli
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.result import Result
from napari_centermask.io import measurements
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.records import records_of

SHAPE = (60, 70)
P = {1: 0.1, 2: 0.45, 3: 0.7, 4: 0.2}


@pytest.fixture
def folder(tmp_path):
    """Two images with four cells each, of which a person judged the last."""
    records = []
    for n, name in enumerate(("a.tif", "b.tif"), start=1):
        tifffile.imwrite(tmp_path / name, np.full(SHAPE, 10 * n, np.uint16))
        cells = [
            Instance(
                *(k, 12 * k, 5, np.ones((8, 8), bool), 1, 0.9, 1.0),
                status="corrected" if k == 4 else "predicted",
                probabilities=(1 - p, p),
            )
            for k, p in P.items()
        ]
        result = Result(SHAPE, name=name)
        result.put((), Instances(SHAPE, cells, categories={1: "live", 2: "dead"}), keep_ids=True)
        records += records_of(result, name, first_id=n)
    write_coco(tmp_path / "annotations.json", records)
    return tmp_path


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def measured(folder, *flags):
    code = cli.run(["measure", str(folder), "--out", str(folder / "out.csv"), *flags])
    return code, rows(folder / "out.csv"), rows(folder / "out_counts.csv")


def test_cells_of_a_folder_are_measured_in_their_images(folder, capsys):
    code, table, counts = measured(folder, "--json", "--channel-names", "PI")
    assert code == 0
    assert json.loads(capsys.readouterr().out)["cells"] == len(table) == 8
    assert {(r["image"], r["mean_PI"], r["corrected_mean_PI"]) for r in table} == {
        ("a.tif", "10", "0"),
        ("b.tif", "20", "0"),
    }
    assert [r["viability_percent"] for r in counts] == ["100", "100"]


@pytest.mark.parametrize(("threshold", "dead"), [(0.4, 2), (0.5, 1), (0.05, 3)])
def test_a_threshold_makes_categories_but_not_of_what_a_person_said(folder, threshold, dead):
    _, table, counts = measured(folder, "--threshold", str(threshold), "--background", "none")
    assert [r["category"] for r in table[:4]] == ["dead" if k < 4 and p >= threshold else "live" for k, p in P.items()]
    assert {r["viability_percent"] for r in counts} == {f"{100 - 25 * dead}"}
    assert not any("background" in name for name in table[0])


def test_another_category_can_be_the_dead_one(folder):
    _, _, counts = measured(folder, "--dead", "LIVE")
    assert [r["viability_percent"] for r in counts] == ["0", "0"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dead", "necrotic"], "a.tif has no category 'necrotic'"),
        (["--threshold", "4"], "must be a probability from 0 to 1, not 4.0"),
        (["--background", "local"], "The background must be one of ring, image, none, not 'local'"),
        (["--channel-names", "a", "b"], "a.tif has 1 channels, but there are 2 names: a, b"),
        (["--images", "nowhere"], "Image a.tif not found in nowhere"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(folder, capsys, flags, message):
    assert cli.run(["measure", str(folder), "--out", str(folder / "out.csv"), *flags]) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "out.csv").exists()


def test_earlier_tables_stay_unless_asked(folder, capsys):
    (folder / "out_counts.csv").write_text("mine")
    assert cli.run(["measure", str(folder / "annotations.json"), "--out", str(folder / "out.csv")]) == 2
    assert "already exists" in capsys.readouterr().err
    assert cli.run(["measure", str(folder / "annotations.json"), "--out", str(folder / "out.csv"), "--overwrite"]) == 0
    assert len(rows(folder / "out_counts.csv")) == 2


def test_a_damaged_image_is_left_out_of_measurements_and_named(damaged, tmp_path, capsys):
    tokens = ["measure", damaged / "annotations_test.json", "--out", tmp_path / "m.csv"]
    assert cli.run([str(t) for t in tokens]) == 2
    out, err = capsys.readouterr()
    assert "2 images, 24 cells" in out
    assert "2.png" in err
    for name, rows in (("m.csv", 24), ("m_counts.csv", 2)):
        assert len((tmp_path / name).read_text().splitlines()) == 1 + rows


def test_an_image_whose_pixels_fail_while_it_is_measured_leaves_no_rows(damaged, tmp_path, monkeypatch):
    Image.fromarray(np.zeros((128, 160), np.uint8)).save(damaged / "images" / "2.png")

    def measure(pixels, shown, **options):
        for number, step in enumerate(real(pixels, shown, **options)):
            if number == 5 and not pixels.any():
                raise MemoryError
            yield step

    real = measurements.measure
    monkeypatch.setattr(measurements, "measure", measure)
    tokens = ["measure", damaged / "annotations_test.json", "--out", tmp_path / "m.csv"]
    assert cli.run([str(t) for t in tokens]) == 2
    assert "2.png" not in (tmp_path / "m.csv").read_text()
    assert len((tmp_path / "m.csv").read_text().splitlines()) == 25
