"""Splits are read, and their tiles drawn in order."""

import os
import subprocess
import sys

import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.training.data.loader import batches, load_split


def test_resuming_continues_the_sequence(settings):
    whole = [batch.images for batch, _ in zip(batches(settings), range(3), strict=False)]
    rest = next(iter(batches(settings, start_tile=2 * settings.batch)))
    assert rest.images.equal(whole[2])


def test_a_missing_split_says_what_is_expected(folder):
    with pytest.raises(BadAnnotations, match=r"annotations_test\.json"):
        load_split(folder, "test")


def test_right_are_reviewed_and_human_cells_and_untouched_images_are_left_out(folder, half):
    (sample,) = load_split(folder, "train")
    wanted = {c.id for c in half if c.status == "corrected" or (c.box[1] + c.box[3] < 200 and c.status != "rejected")}
    assert set(sample.instances.ids) == wanted
    assert {c.id for c in sample.doubtful} == {c.id for c in half if c.status == "predicted" and c.id not in wanted}
    assert sample.reviewed == ((0, 0, 160, 100),)


def test_a_file_of_another_program_is_complete(folder):
    assert [s.reviewed for s in load_split(folder, "train")] == [None, None]


WORKER = """
import time
from napari_centermask.training.data.loader import _start_worker
_start_worker(0)
print("ready", flush=True)
while True:
    time.sleep(1)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")
def test_a_worker_that_is_asked_to_end_is_no_crash():
    """torch raises in the process that trains where a signal has ended a worker; torchrun sends it to all of them."""
    with subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout.readline() == "ready\n"
        worker.terminate()
        assert worker.wait(30) == 0
