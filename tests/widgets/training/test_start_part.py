"""The start of a training: the model it starts from, and what was typed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from played_job import COMPARES, OUTLIVES, comparison, installing, state

from napari_centermask.jobs.process import Job
from napari_centermask.models.store import zoo

pytestmark = OUTLIVES


def test_a_change_in_the_form_reaches_the_run_file_and_the_rest_stays_computed(train, wait):
    train.advanced.fold.expand(animate=False)
    wait(lambda: train.plan is not None)
    assert "cells in" in train.start.about.text()
    train.advanced.form.training.rows["batch"].control.value = 3
    train.advanced.form.groups["augment"].rows["flip"].control.value = False
    planned = train.plan.settings
    train.start.start.click()
    wait(lambda: state(train) == "running")
    settings = Job.open(train.training.job.folder).settings
    assert (settings.batch, settings.augment.flip) == (3, False)
    assert settings.learning_rate == planned.learning_rate
    assert settings.steps == planned.steps
    assert len(list(train.source.runs.iterdir())) == 1  # the copy of the data that was made for looking is gone


def test_a_wrong_number_in_the_form_starts_nothing_and_a_right_one_does(train, wait):
    train.advanced.fold.expand(animate=False)
    wait(lambda: train.plan is not None)
    tile = train.advanced.form.training.rows["tile"].control
    tile.value = 100
    train.start.start.click()
    wait(lambda: not train.planner.is_running)
    assert "multiple of 32" in train.start.about.text()
    assert train.training.job is None
    assert not train.training.watcher.is_running
    assert list(train.source.runs.iterdir()) == []
    tile.value = 128
    train.start.start.click()
    wait(lambda: state(train) == "running")
    assert Job.open(train.training.job.folder).settings.tile == 128
    assert "tiles of 128 px" in train.start.about.text()


def test_the_start_model_is_the_one_in_use_until_another_is_chosen(train, wait, act, home, monkeypatch):
    from napari_centermask.models.store import zoo
    from napari_centermask.widgets.training import new_model

    known = zoo.find_model("nuclei")
    names = ["nuclei", "mine", "other"]
    monkeypatch.setattr(zoo, "list_models", lambda: [replace(known, name=name) for name in names])
    installed = []
    monkeypatch.setattr(new_model, "run_child", installing(installed))
    monkeypatch.setattr(zoo, "list_models", lambda: [replace(known, name=n) for n in names + [n for _, n in installed]])
    models, in_use = train.start.models, train.training.in_use
    in_use.choose("mine")
    assert models.currentText() == "mine"
    in_use.choose("graphs without weights")
    assert models.currentText() == "mine"
    models.setCurrentText("nuclei")
    models.activated.emit(models.currentIndex())  # a person chooses
    in_use.choose("other")
    assert models.currentText() == "nuclei"
    comparison(home, recommended=True)
    act(COMPARES)
    train.start.start.click()
    wait(lambda: state(train) == "done" and train.new_model.isVisible())
    train.new_model.install.click()
    wait(lambda: train.training.installed)
    assert models.currentText() == in_use.name == train.training.installed


def test_a_new_network_is_planned_with_its_form_and_started(train, wait):
    models, form = train.start.models, train.advanced.form
    models.setCurrentText("New Mask R-CNN")
    models.activated.emit(models.currentIndex())
    assert train.start.start.text() == "Train"
    train.advanced.fold.expand(animate=False)
    wait(lambda: train.plan is not None)
    network = form.networks["maskrcnn"]
    assert network.isVisibleTo(form)
    network.rows["anchor_sizes"].control.value = "10 20 40 80 160"
    form.groups["regions"].rows["mask"].control.value = 2.0
    train.training.in_use.choose("cells")  # a new network is a choice, too
    assert models.network == "maskrcnn"
    train.start.start.click()
    wait(lambda: state(train) == "running")
    settings = Job.open(train.training.job.folder).settings
    assert (settings.start, settings.model.family) == (None, "maskrcnn")
    assert settings.model.anchor_sizes == [10, 20, 40, 80, 160]
    assert settings.regions.mask == 2


def test_anchors_that_do_not_fit_start_nothing_and_the_dock_says_which_do(train, wait):
    train.start.models.setCurrentText("New Mask R-CNN")
    train.advanced.fold.expand(animate=False)
    wait(lambda: train.plan is not None)
    train.advanced.form.networks["maskrcnn"].rows["anchor_sizes"].control.value = "128 256 512 1024 2048"
    train.start.start.click()
    wait(lambda: not train.planner.is_running)
    assert "Suitable for cells of 40 pixels: 16 32 64 128 256." in train.start.about.text()
    assert train.training.job is None


def test_a_model_and_a_new_network_are_told_apart(train):
    models = train.start.models
    assert (train.training.in_use.name, models.currentText()) == ("", "nuclei")  # none is in use yet
    assert [models.itemText(n) for n in range(models.count())][-3:] == ["New CenterMask", "New U-Net", "New Mask R-CNN"]
    models.choose("New U-Net")
    models.reload()
    assert (models.network, models.card) == ("unet", None)
    models.choose("nuclei")
    assert (models.network, models.card.name) == ("", "nuclei")
    assert train.start.start.text() == "Fine-tune"


def phase_contrast(folder):
    """The folder of data with an image in phase contrast in place of its images."""
    sample = Path(zoo.__file__).parents[2] / "resources" / "samples" / "cells_phase_16bit.png"
    other = folder.with_name("phase")
    shutil.copytree(folder, other)
    for image in (other / "images").iterdir():
        shutil.copyfile(sample, image)
    return other


def test_a_model_that_fits_the_images_better_is_named_and_taken_by_a_button(train, wait, data):
    wait(lambda: not train.part.look.is_running)
    assert train.part.advice.isHidden()
    models, advice = train.start.models, train.part.advice
    train.add_folder(phase_contrast(data))
    wait(lambda: not advice.isHidden())
    assert advice.text.text() == (
        "The data looks like transmitted light (phase contrast, bright field); 'nuclei' was trained on fluorescence and "
        "stained sections. 'cells' was trained on such images."
    )
    assert models.currentText() == "nuclei"  # it never switches the model by itself
    advice.buttons[0].click()
    assert (models.currentText(), advice.isHidden()) == ("cells", True)
    train.training.in_use.choose("live-dead")
    assert models.currentText() == "cells"  # as after a choice in the list


def test_what_was_put_away_is_not_said_again_of_these_data(train, wait, data):
    models, advice = train.start.models, train.part.advice
    train.add_folder(phase_contrast(data))
    wait(lambda: not advice.isHidden())
    advice.buttons[1].click()
    models.choose("cells")
    models.choose("nuclei")
    assert advice.isHidden()
    models.choose("unet-nuclei")
    assert not advice.isHidden()
    models.choose("New U-Net")
    assert advice.isHidden()
