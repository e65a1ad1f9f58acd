import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_centermask import cli
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline.correction import correction_of
from napari_centermask.settings import PreprocessSettings


@pytest.fixture
def plate(tmp_path):
    """Twelve planes in eleven files under a lamp that shines from the left."""
    rng, light = np.random.default_rng(0), np.linspace(1.5, 0.5, 64)[None] * np.ones((48, 1))
    (tmp_path / "plate").mkdir()
    for number in range(11):
        planes = rng.uniform(900, 1100, (2 if number == 0 else 1, 48, 64)) * light + 100
        stack = planes.squeeze().astype(np.uint16)
        axes = "ZYX"[-stack.ndim :]
        tifffile.imwrite(tmp_path / "plate" / f"{number}.tif", stack, metadata={"axes": axes})
    return tmp_path / "plate", light


def test_the_light_of_a_folder_is_written(plate, tmp_path, capsys):
    folder, light = plate
    out = tmp_path / "flat.tif"
    assert cli.run(["flatfield", str(folder), "--out", str(out), "--dark", "100"]) == 0
    np.testing.assert_allclose(read_plane(out)[0][:, 8:-8], light[:, 8:-8], rtol=0.08)
    assert "12 planes" in capsys.readouterr().out
    assert cli.run(["flatfield", str(folder), "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_images_of_two_sizes_and_too_few_are_reported(plate, tmp_path, capsys):
    folder, _ = plate
    assert cli.run(["flatfield", str(folder / "1.tif"), "--out", str(tmp_path / "a.tif")]) == 0
    assert "Only 1 plane: with fewer than 10" in capsys.readouterr().err
    tifffile.imwrite(folder / "z.tif", np.ones((9, 9), np.uint16))
    assert cli.run(["flatfield", str(folder), "--out", str(tmp_path / "b.tif")]) == 2
    assert "z.tif" in capsys.readouterr().err
    assert not (tmp_path / "b.tif").exists()


@pytest.mark.parametrize("n", [1, 3])
def test_the_flat_field_of_colour_images_is_taken_for_them(tmp_path, n):
    images = np.random.default_rng(0).uniform(900, 1100, (12, 20, 24, n)).astype(np.uint8)
    for number, image in enumerate(images):
        Image.fromarray(image.squeeze()).save(tmp_path / f"{number}.png")
    out = tmp_path / "flat" / "flat.tif"
    assert cli.run(["flatfield", str(tmp_path), "--out", str(out)]) == 0
    assert correction_of(PreprocessSettings(flat_field=out), 1.0).gain.shape == (n, 20, 24)


def test_two_folders_may_hold_images_of_the_same_names(plate, tmp_path, capsys):
    folder, _ = plate
    other = tmp_path / "other" / "plate"
    shutil.copytree(folder, other)
    assert cli.run(["flatfield", str(folder), str(other), "--out", str(tmp_path / "a.tif")]) == 0
    assert "24 planes" in capsys.readouterr().out


def test_the_image_that_is_not_finite_is_named(plate, tmp_path, capsys):
    folder, _ = plate
    tifffile.imwrite(folder / "hole.tif", np.full((48, 64), np.nan, np.float32))
    assert cli.run(["flatfield", str(folder), "--out", str(tmp_path / "a.tif")]) == 2
    assert "hole.tif has NaN or infinite intensities" in capsys.readouterr().err


def test_a_flat_field_is_found_without_the_damaged_image(tmp_path, capsys):
    for number in range(11):
        tifffile.imwrite(
            tmp_path / f"{number}.tif", np.random.default_rng(number).integers(90, 110, (32, 32)).astype(np.uint16)
        )
    (tmp_path / "damaged.tif").write_bytes(b"II*\0 nothing")
    assert cli.run(["flatfield", str(tmp_path), "--out", str(tmp_path / "out" / "flat.tif")]) == 2
    out, err = capsys.readouterr()
    assert "11 planes" in out
    assert "damaged.tif" in err


def test_planes_with_nan_are_left_out_and_the_stack_goes_on(tmp_path, capsys):
    stack = np.random.default_rng(0).uniform(900, 1100, (12, 48, 64)).astype(np.float32)
    stack[3, 5, 5] = np.nan
    tifffile.imwrite(tmp_path / "s.tif", stack, metadata={"axes": "ZYX"})
    assert cli.run(["flatfield", str(tmp_path / "s.tif"), "--out", str(tmp_path / "a.tif")]) == 0
    out, err = capsys.readouterr()
    assert "11 planes" in out
    assert "s.tif: 1 plane with NaN" in err
