"""A look at the training tiles before a training."""

from __future__ import annotations

import sys


def test_a_click_shows_augmented_training_tiles_and_trains_nothing(train, wait):
    train.start.tiles.click()
    assert not train.start.tiles.isEnabled()
    wait(lambda: train.start.about.text() == "Drawing the tiles…")
    wait(lambda: train.part.tiles.isVisible())
    side = train.plan.settings.tile
    size = 4 * (4 + side * (2 if side < 192 else 1)) + 4
    assert train.part.tiles.picture.image.width() == size
    assert train.start.tiles.isEnabled()
    assert "steps of" in train.start.about.text()
    assert train.training.job is None
    assert not (train.plan.settings.out / "best.safetensors").exists()
    assert not {"torch", "torchvision"} & set(sys.modules)
    train.start.models.choose("unet-nuclei")  # the picture is not of this one
    assert not train.part.tiles.isVisible()


def test_tiles_are_of_the_settings_in_the_form(train, wait):
    train.advanced.fold.expand(animate=False)
    wait(lambda: train.plan)
    train.advanced.form.training.rows["tile"].control.value = 96
    train.start.tiles.click()
    wait(lambda: train.part.tiles.isVisible())
    assert train.part.tiles.picture.image.width() == 4 * (4 + 2 * 96) + 4


def test_tiles_that_cannot_be_drawn_are_a_notice(train, wait, monkeypatch, notices):
    from napari_centermask.jobs.child import ChildFailed
    from napari_centermask.widgets.training import tiles

    def run_child(arguments):
        yield
        raise ChildFailed("The images are gone.")

    monkeypatch.setattr(tiles, "run_child", run_child)
    train.start.tiles.click()
    wait(lambda: "The images are gone." in notices())
    assert not train.part.tiles.isVisible()
    wait(lambda: train.start.tiles.isEnabled())
