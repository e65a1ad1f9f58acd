import numpy as np
import pytest
import tifffile

from napari_centermask import cli
from napari_centermask.io.images import read_plane


@pytest.fixture
def plate(tmp_path):
    """Twelve planes in eleven files under a lamp that shines from the left."""
    rng, light = np.random.default_rng(0), np.linspace(1.5, 0.5, 64)[None] * np.ones((48, 1))
    (tmp_path / "plate").mkdir()
    for number in range(11):
        planes = rng.uniform(900, 1100, (2 if number == 0 else 1, 48, 64)) * light + 100
        tifffile.imwrite(tmp_path / "plate" / f"{number}.tif", planes.squeeze().astype(np.uint16))
    return tmp_path / "plate", light


def test_the_light_of_a_folder_is_written(plate, tmp_path, capsys):
    folder, light = plate
    out = tmp_path / "flat.tif"
    assert cli.run(["flatfield", str(folder), "--out", str(out), "--dark", "100"]) == 0
    np.testing.assert_allclose(read_plane(out)[0][:, 8:-8], light[:, 8:-8], rtol=0.08)
    assert "12 planes" in capsys.readouterr().out
    assert cli.run(["flatfield", str(folder), "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_images_of_two_sizes_and_too_few_are_told(plate, tmp_path, capsys):
    folder, _ = plate
    assert cli.run(["flatfield", str(folder / "1.tif"), "--out", str(tmp_path / "a.tif")]) == 0
    assert "10 planes or more, found 1" in capsys.readouterr().err
    tifffile.imwrite(folder / "z.tif", np.ones((9, 9), np.uint16))
    assert cli.run(["flatfield", str(folder), "--out", str(tmp_path / "b.tif")]) == 2
    assert "z.tif" in capsys.readouterr().err
    assert not (tmp_path / "b.tif").exists()
