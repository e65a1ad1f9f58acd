"""`rank` on the shipped model and real images, and what it refuses."""

import json
import shutil

import pytest

from napari_centermask import cli
from napari_centermask.io.images import SUFFIXES


@pytest.fixture
def plate(tmp_path, shared):
    """Four real images of nuclei."""
    (tmp_path / "plate").mkdir()
    source = shared / "data" / "dsb2018_fluo" / "images"
    for path in sorted(p for p in source.iterdir() if p.suffix in SUFFIXES)[:4]:
        shutil.copy(path, tmp_path / "plate")
    return tmp_path / "plate"


def test_images_come_with_values_that_fall_by_rank_and_reviewed_ones_are_left_out(plate, capsys):
    first, *rest = sorted(plate.iterdir())
    assert cli.run(["rank", str(plate), "--reviewed", str(first), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["images"]
    assert sorted(r["image"] for r in rows) == [str(p) for p in rest]
    assert all(0 <= r[k] <= 1 for r in rows for k in ("value", "entropy", "disagreement", "poor_masks"))
    assert rows[0]["value"] == max(r["value"] for r in rows)


def test_a_damaged_image_is_named_and_the_others_are_ranked(plate, capsys):
    kept = sorted(plate.iterdir())[:2]
    for path in sorted(plate.iterdir())[2:]:
        path.unlink()
    (plate / "damaged.tif").write_bytes(b"II*\0 nothing")
    assert cli.run(["rank", str(plate)]) == 2
    out, err = capsys.readouterr()
    assert "damaged.tif" in err
    assert {line.split(maxsplit=1)[1] for line in out.splitlines()} == {str(p) for p in kept}


def test_it_is_said_when_no_image_can_be_ranked(tmp_path, capsys):
    (tmp_path / "damaged.tif").write_bytes(b"II*\0 nothing")
    assert cli.run(["rank", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "None of the images can be ranked" in err


def test_a_folder_without_images_is_refused(tmp_path, capsys):
    assert cli.run(["rank", str(tmp_path)]) == 2
    assert "has no images" in capsys.readouterr().err
