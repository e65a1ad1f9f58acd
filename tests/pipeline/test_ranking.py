"""An image on which a model contradicts its own answer for the mirror image is ranked first."""

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import BadSettings
from napari_centermask.pipeline.progress import run_through
from napari_centermask.pipeline.ranking import ranking_steps, signs_steps
from napari_centermask.settings import SegmentSettings

SETTINGS = SegmentSettings(diameter=40.0)


def test_mirrored_cells_come_back_to_their_places(fake):
    image = fake.draw((256, 256), fake.place((256, 256), 8, radii=(14, 20)))
    signs, cells = run_through(signs_steps(image, fake.engine(), SETTINGS))
    assert len(cells) >= 4
    assert signs.disagreement < 0.05
    assert signs.poor_masks < 1e-6


class Moody:
    """An engine that overlooks what lies in the upper half."""

    def __init__(self, engine):
        self._engine = engine
        self.card, self.name, self.device = engine.card, engine.name, engine.device
        self.precision, self.batch = engine.precision, engine.batch
        self.masks = engine.masks

    def features(self, tiles):
        tiles = tiles.copy()
        tiles[:, :, : tiles.shape[2] // 2] = 0
        return self._engine.features(tiles)


LOPSIDED = [(60, 60, 18), (60, 128, 18), (60, 196, 18), (196, 196, 18)]
STEADY = [(60, 60, 18), (196, 60, 18), (60, 196, 18), (196, 196, 18)]


@pytest.fixture
def write(fake, tmp_path):
    def write(**images):
        for name, discs in images.items():
            tifffile.imwrite(tmp_path / f"{name}.tif", fake.draw((256, 256), discs)[0].astype(np.float32))
        return {name: tmp_path / f"{name}.tif" for name in images}

    return write


def test_an_image_on_which_the_model_contradicts_itself_differs_from_a_calm_one(fake, write):
    turned = [(60, 60, 18), (60, 128, 18), (60, 196, 18), (196, 60, 18)]
    files = write(lopsided=LOPSIDED, turned=turned, empty=[])
    calm = run_through(ranking_steps(files, fake.engine(), SETTINGS))
    moody = run_through(ranking_steps(files, Moody(fake.engine()), SETTINGS))
    assert [moody.signs[k].disagreement > 0.3 for k in ("lopsided", "turned")] == [True, True]
    assert max(s.disagreement for s in calm.signs.values()) < 0.05
    assert set(moody.values) == {"lopsided", "turned"}
    assert "empty.tif" in moody.left_out["empty"]


def test_what_looks_like_a_reviewed_image_waits(fake, write):
    files = write(crowd=STEADY, alone=[(128, 128, 18)], reviewed=STEADY)
    seen = files.pop("reviewed")

    def value(reviewed):
        return run_through(ranking_steps(files, fake.engine(), SETTINGS, reviewed={0: reviewed})).values["crowd"]

    assert value(seen) < value(files["alone"])


def test_an_image_that_cannot_be_read_is_left_out_and_named(fake, write, tmp_path):
    files = write(steady=STEADY) | {"gone": tmp_path / "gone.tif"}
    ranking = run_through(ranking_steps(files, fake.engine(), SETTINGS, reviewed={"other": tmp_path / "other.tif"}))
    assert list(ranking.values) == ["steady"]
    assert "gone.tif" in ranking.left_out["gone"]


def test_an_image_that_names_two_channels_alike_is_left_out_and_named(fake, write, tmp_path):
    files = write(steady=STEADY) | {"twins": tmp_path / "twins.tif"}
    twins = np.stack([fake.draw((256, 256), STEADY)[0].astype(np.float32)] * 2)
    tifffile.imwrite(files["twins"], twins, imagej=True, metadata={"axes": "CYX", "Labels": ["DAPI", "dapi"]})
    ranking = run_through(ranking_steps(files, fake.engine(), SETTINGS, reviewed={"other": files["twins"]}))
    assert list(ranking.values) == ["steady"]
    assert "twins.tif: Channel names must differ" in ranking.left_out["twins"]


def test_settings_that_do_not_fit_are_not_an_error_of_an_image(fake, write):
    wrong = SETTINGS.model_copy(update={"channel_names": ["DAPI", "actin"]})
    with pytest.raises(BadSettings, match="one name for each"):
        run_through(ranking_steps(write(steady=STEADY), fake.engine(), wrong))


def test_of_a_stack_the_middle_plane_is_examined(fake, tmp_path):
    stack = np.zeros((3, 256, 256), np.float32)
    stack[1] = fake.draw((256, 256), STEADY)[0]
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    ranking = run_through(ranking_steps({1: tmp_path / "stack.tif"}, fake.engine(), SETTINGS))
    assert np.isclose(ranking.signs[1].descriptor[-1], np.sqrt(4 / 256**2 * 1e4))


@pytest.mark.parametrize("blank", [np.nan, np.inf, 7.0])
def test_a_blank_middle_plane_is_passed_over(fake, tmp_path, blank):
    good = fake.draw((256, 256), STEADY)[0].astype(np.float32)
    stack = np.stack([good, np.full_like(good, blank), np.full_like(good, blank)])
    tifffile.imwrite(tmp_path / "s.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    ranking = run_through(ranking_steps({"s": tmp_path / "s.tif"}, fake.engine(), SETTINGS))
    assert set(ranking.values) == {"s"}
    tifffile.imwrite(tmp_path / "n.tif", np.full_like(stack, blank), imagej=True, metadata={"axes": "ZYX"})
    ranking = run_through(ranking_steps({"n": tmp_path / "n.tif"}, fake.engine(), SETTINGS))
    assert set(ranking.left_out) == {"n"}


def test_the_work_can_be_stopped_between_tiles(fake, write):
    steps = ranking_steps(write(a=STEADY, b=STEADY), fake.engine(), SETTINGS)
    assert next(steps).message == "Segmenting a.tif, image 1 of 2"
    steps.close()
