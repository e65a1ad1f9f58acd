"""What the boxes of the dock show."""

from __future__ import annotations

from played_job import FAILS, OUTLIVES, WORKS, state

from napari_centermask.jobs.process import Job

pytestmark = OUTLIVES


def test_a_failure_is_explained_with_its_remedy_as_a_button(train, wait, act):
    act(FAILS)
    train.start.start.click()
    wait(lambda: train.failure.buttons)
    assert "memory" in train.failure.text.text()
    titles = [b.text() for b in train.failure.buttons]
    assert titles == ["Try again with batch 2, tile 384", "Continue from the last checkpoint"]
    act(WORKS)
    train.failure.buttons[0].click()
    wait(lambda: state(train) == "running")
    settings = Job.open(train.training.job.folder).settings
    assert (settings.batch, settings.tile, settings.resume) == (2, 384, True)
    assert not train.failure.buttons
