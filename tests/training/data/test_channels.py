"""A network trained on drawn cells uses each of its channels, and knows them by name."""

import importlib.util
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.illumination import Corrected
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.report import evaluate
from napari_centermask.pipeline import segment
from napari_centermask.pipeline.correction import correction_of
from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.settings import AugmentSettings, PreprocessSettings, SegmentSettings, TrainSettings, UNetSettings
from napari_centermask.training.data.augment import drop_channel
from napari_centermask.training.data.checks import check_data
from napari_centermask.training.data.inputs import follow_card, prepared
from napari_centermask.training.data.loader import batches, load_split
from napari_centermask.training.run.loop import train
from napari_centermask.training.run.validate import make_card

SCRIPT = Path(__file__).parents[3] / "scripts" / "make_multichannel.py"
_spec = importlib.util.spec_from_file_location("make_multichannel", SCRIPT)
multichannel = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(multichannel)

NAMES = list(multichannel.NAMES)
DIAMETER = 26.0


def settings_for(folder, out, **changes):
    values = {
        "data": [folder],
        "out": out,
        "model": UNetSettings(in_channels=3, depth=3, width=8),
        "channel_names": NAMES,
        "diameter": 20.0,
        "tile": 96,
        "batch": 4,
        "steps": 180,
        "learning_rate": 5e-3,
        "warmup": 10,
        "ema": 0.97,
        "evaluate_every": 180,
        "workers": 0,
        "amp": "off",
        "device": "cpu",
        "augment": AugmentSettings(drop_channel=0.25, scale=(0.9, 1.1), copy_paste=0.0),
    }
    return TrainSettings(**values | changes)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A data folder of drawn cells."""
    folder = tmp_path_factory.mktemp("drawn")
    multichannel.write(folder, splits={"train": 16, "val": 2})
    return folder


@pytest.fixture(scope="module")
def engine(drawn, tmp_path_factory):
    """A small U-Net after some seconds of training."""
    events = list(train(settings_for(drawn, tmp_path_factory.mktemp("run"))))
    return load_engine(events[-1].model, engine="torch", device="cpu")


@pytest.fixture(scope="module")
def unseen():
    return [multichannel.draw(seed) for seed in range(9000, 9004)]


def score(engine, images, order):
    """Mean bioimage AP with the channels in this order, their names along."""
    options = SegmentSettings(diameter=DIAMETER, channel_names=[NAMES[c] for c in order])
    pairs = [(truth, segment(image[list(order)], engine, options), 0.0) for image, truth in images]
    return evaluate(pairs, score=options.score).to_json()["bioimage_ap_mean"]


def test_each_channel_is_used_and_its_loss_costs(engine, unseen):
    whole = score(engine, unseen, (0, 1, 2))
    assert whole > 0.5
    for lost in range(3):
        kept = tuple(c for c in range(3) if c != lost)
        assert score(engine, unseen, kept) < whole - 0.05, NAMES[lost]


def test_swapping_names_and_order_together_changes_no_pixel(engine, unseen):
    image = unseen[0][0]
    expected = list(segment(image, engine, SegmentSettings(diameter=DIAMETER)))
    for order in itertools.permutations(range(3)):
        options = SegmentSettings(diameter=DIAMETER, channel_names=[NAMES[c] for c in order])
        instances = list(segment(image[list(order)], engine, options))
        assert len(instances) == len(expected) > 5
        assert all(a.box == b.box and (a.mask == b.mask).all() for a, b in zip(expected, instances, strict=True))
    swapped = segment(image[[1, 0, 2]], engine, SegmentSettings(diameter=DIAMETER))  # without names: by place
    assert [c.box for c in swapped] != [c.box for c in expected]


def test_intensities_in_another_range_give_the_same_cells(engine, unseen):
    image = unseen[0][0]
    expected = list(segment(image, engine, SegmentSettings(diameter=DIAMETER)))
    assert image.max() < 0.03 * 65535
    for other in (image.astype(np.float32), image.astype(np.uint16) * 32, image.astype(np.float64) / 65535):
        instances = list(segment(other, engine, SegmentSettings(diameter=DIAMETER)))
        assert len(instances) == len(expected)
        for a, b in zip(expected, instances, strict=True):
            assert a.box == b.box
            assert np.count_nonzero(a.mask != b.mask) <= 1


def test_training_tells_the_card_how_it_saw_its_images(engine):
    assert engine.card.channel_names == NAMES
    assert engine.card.bears_missing


def test_training_sees_an_image_as_the_pipeline_does(drawn, tmp_path):
    how = PreprocessSettings(background="tophat", background_size=40, denoise="gaussian", denoise_size=1.2)
    flat = np.linspace(0.5, 1.5, 192 * 192, dtype=np.float32).reshape(192, 192)
    tifffile.imwrite(tmp_path / "flat.tif", flat)
    how = how.model_copy(update={"flat_field": tmp_path / "flat.tif", "dark": 90.0})
    for normalisation in ("percentile", "zscore"):
        settings = settings_for(drawn, tmp_path, preprocess=how, normalisation=normalisation)
        raw = load_split(drawn, "val")[0]
        (sample,) = prepared([raw], settings)
        card = make_card(settings, type("Model", (), {"settings": settings.model}), name="x")
        assert card.preprocess.flat_field is None
        source = ModelInput.of(raw.image, card, SegmentSettings(preprocess=how.microscope))
        scaled = source.scaled(settings.diameter / raw.diameter)
        for channel, (lo, hi) in scaled.ranges.items():
            assert (lo[0], hi[0]) == (sample.lo[channel], sample.hi[channel])
        view = Corrected(raw.image, correction_of(source.settings.preprocess, settings.diameter / raw.diameter))
        np.testing.assert_array_equal(sample.image, view[:])


def test_a_flat_field_is_that_of_the_data_and_not_of_what_is_replayed(settings, drawn, tmp_path):
    tifffile.imwrite(tmp_path / "flat.tif", np.full((160, 200), 2, np.uint16))  # the drawn images are 192 x 192
    light = PreprocessSettings(flat_field=tmp_path / "flat.tif")
    tiles = next(iter(batches(settings.model_copy(update={"preprocess": light, "replay": [drawn]}))))
    assert tiles.images.shape[1] == 1
    tifffile.imwrite(tmp_path / "flat.tif", np.full((9, 9), 2, np.uint16))
    with pytest.raises(BadImage, match=r"data/train_.*160 x 200"):
        batches(settings.model_copy(update={"preprocess": light}))


def test_files_in_another_order_train_alike(drawn, tmp_path):
    multichannel.write(tmp_path / "other", splits={"train": 2, "val": 1}, order=(2, 0, 1))
    multichannel.write(tmp_path / "first", splits={"train": 2, "val": 1})
    one, other = (next(iter(batches(settings_for(tmp_path / d, tmp_path)))) for d in ("first", "other"))
    assert (one.images == other.images).all()


def test_a_channel_is_emptied_as_often_as_wanted():
    rng, image = np.random.default_rng(0), np.ones((3, 4, 4), np.float32)
    emptied = [(~drop_channel(image, rng, 0.3).any(axis=(1, 2))).sum() for _ in range(400)]
    assert set(emptied) == {0, 1}
    assert 0.2 < np.mean(emptied) < 0.4
    assert drop_channel(image[:1], rng, 1.0).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channel_names": ["nucleus", "membrane"]}, "needs 3 names, got 2.*model.in_channels"),
        ({"channel_names": ["a", "A", "b"]}, "must differ"),
    ],
)
def test_names_that_do_not_fit_the_network_end_a_training_before_it_starts(drawn, tmp_path, changes, words):
    with pytest.raises(BadSettings, match=words):
        next(train(settings_for(drawn, tmp_path / "run", **changes)))


def test_a_validation_image_that_lacks_a_channel_is_named_before_the_first_step(drawn, tmp_path):
    folder = tmp_path / "data"
    multichannel.write(folder, splits={"train": 1, "val": 1})
    whole = tifffile.imread(folder / "images" / "val_0.ome.tif")
    about = {"axes": "CYX", "Channel": {"Name": NAMES[:2]}}
    tifffile.imwrite(folder / "images" / "val_0.ome.tif", whole[:2], ome=True, metadata=about)
    with pytest.raises(BadImage, match=r"val_0\.ome\.tif: .*membrane is missing"):
        check_data(settings_for(folder, tmp_path))


def test_a_start_model_brings_its_inputs_along(drawn, tmp_path):
    how = PreprocessSettings(background="tophat", denoise="median")
    old = settings_for(drawn, tmp_path, preprocess=how, normalisation="zscore")
    card = make_card(old, type("Model", (), {"settings": old.model}), name="x")
    flat = PreprocessSettings(flat_field=tmp_path / "flat.tif", dark=5)
    new = follow_card(settings_for(drawn, tmp_path, preprocess=flat, channel_names=[]), card)
    assert new.preprocess == how.model_copy(update={"flat_field": tmp_path / "flat.tif", "dark": 5})
    assert (new.normalisation, new.channel_names) == ("zscore", NAMES)


def test_a_training_image_that_lacks_a_channel_is_named(drawn, tmp_path):
    settings = settings_for(drawn, tmp_path, channel_names=["nucleus", "cytoplasm", "actin"])
    with pytest.raises(BadImage, match=r"train_0\.ome\.tif: .*actin is missing"):
        batches(settings)
    nameless = [replace(sample, image=sample.image[:2], names=()) for sample in load_split(drawn, "val")]
    with pytest.raises(BadImage, match=r"val_0\.ome\.tif: .*the image's channels have no names"):
        prepared(nameless, settings)
