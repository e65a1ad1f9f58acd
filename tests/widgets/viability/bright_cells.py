"""Bright and dark cells, a classifier that answers when it may, and what the viability dock reports of it."""

import threading

import numpy as np

from napari_centermask.core.instances import Instance
from napari_centermask.engines.classifier import load_classifier

SHAPE = (120, 160)
RADIUS = 8
BRIGHT = (1.0, 0.2, 1.0, 0.2, 1.0, 0.2)
PLACES = [(20, 20), (20, 60), (60, 20), (60, 60), (100, 60), (100, 100)]
STATUSES = ("predicted", "predicted", "corrected", "accepted", "rejected", "predicted")


def picture():
    image = np.zeros(SHAPE, np.float32)
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for (y, x), value in zip(PLACES, BRIGHT, strict=True):
        image[np.hypot(yy - y, xx - x) <= RADIUS] = value
    return image


def cells(first=0, *, p=None, statuses=STATUSES):
    yy, xx = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    mask = np.hypot(yy, xx) <= RADIUS
    probabilities = () if p is None else (1 - p, p)
    return [
        Instance(first + k, y - RADIUS, x - RADIUS, mask, status=status, score=0.9, probabilities=probabilities)
        for k, ((y, x), status) in enumerate(zip(PLACES, statuses, strict=True), start=1)
    ]


def classified(dock, qtbot, classifier=None):
    """Press Classify and wait for the end."""
    if classifier is not None:
        dock.classification.box.classifier.choose_file(classifier)
    dock.classification.box.run.start.click()
    until_ended(dock, qtbot)


def until_ended(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.classification.runner.is_running, timeout=30_000)
    dock.refresh()


def reported(dock):
    return dock.classification.box.run.status.text()


class Slow:
    """A classifier that answers when its gate opens."""

    def __init__(self, path):
        self.engine = load_classifier(path)
        self.card, self.gate, self.asked = self.engine.card, threading.Event(), threading.Event()

    def probabilities(self, crops):
        self.asked.set()
        if not self.gate.wait(30):
            raise RuntimeError("The test never opened the gate.")
        return self.engine.probabilities(crops)
